import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Apache 2.4',
  package: 'apache2',
  place:
    '`/etc/apache2/sites-enabled/sandboxes.conf`, after `a2enmod proxy proxy_http` and `a2dissite 000-default`',
  config: ({ port, upstream, idleSeconds }) => [
    `<VirtualHost *:${port}>`,
    {
      text: '  ProxyPreserveHost On',
      cost: 'names of sandboxes are lost: 404 for what is asked by name, as WebSockets are',
    },
    { text: '  AllowEncodedSlashes NoDecode', cost: 'a path with `%2F` is Apache’s own 404' },
    {
      text: `  ProxyTimeout ${idleSeconds}`,
      cost: 'Apache’s `Timeout` counts (300 s in Debian, not waited for here)',
    },
    {
      text: `  ProxyPass / http://${upstream}/ nocanon upgrade=websocket`,
      instead: `  ProxyPass / http://${upstream}/ nocanon`,
      name: 'upgrade=websocket',
      cost: 'WebSockets are a 404',
    },
    '</VirtualHost>',
  ],
  async start({ folder, config, port }) {
    const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http'];
    const load = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`);
    const file = join(folder, 'apache2.conf');
    const own = [
      `ServerRoot ${folder}`,
      'ServerName localhost',
      `PidFile ${folder}/pid`,
      `ErrorLog ${folder}/log`,
    ];
    await writeFile(
      file,
      [...own, `DefaultRuntimeDir ${folder}`, `Listen 127.0.0.1:${port}`, ...load, config, ''].join('\n'),
    );
    return ['apache2', '-DFOREGROUND', '-f', file];
  },
};

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Apache 2.4',
  package: 'apache2',
  place: '`/etc/apache2/sites-enabled/sandboxes.conf`, after `a2enmod proxy proxy_http`',
  config: ({ port, upstream, idleSeconds }) => [
    `<VirtualHost *:${port}>`,
    { text: '  ProxyPreserveHost On', cost: '' },
    { text: '  AllowEncodedSlashes NoDecode', cost: '' },
    { text: `  ProxyTimeout ${idleSeconds}`, cost: '' },
    {
      text: `  ProxyPass / http://${upstream}/ nocanon upgrade=websocket`,
      instead: `  ProxyPass / http://${upstream}/ nocanon`,
      name: 'upgrade=websocket',
      cost: '',
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

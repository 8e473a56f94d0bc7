import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Varnish 7.1',
  package: 'varnish',
  place: '`/etc/varnish/default.vcl`',
  config: ({ upstream, idleSeconds }) => {
    const [host, port] = upstream.split(':');
    return [
      'vcl 4.1;',
      'backend host {',
      `  .host = "${host}"; .port = "${port}";`,
      { text: `  .first_byte_timeout = ${idleSeconds}s;`, cost: '', defaultSeconds: 60 },
      { text: `  .between_bytes_timeout = ${idleSeconds}s;`, cost: '', defaultSeconds: 60 },
      '}',
      'sub vcl_recv {',
      { text: '  if (req.http.Upgrade ~ "(?i)^websocket$") { return (pipe); }', cost: '' },
      { text: '  return (pass);', cost: '' },
      '}',
      {
        text: 'sub vcl_pipe {\n  set bereq.http.Upgrade = req.http.Upgrade;\n  set bereq.http.Connection = req.http.Connection;\n}',
        name: 'sub vcl_pipe',
        cost: '',
      },
    ];
  },
  async start({ folder, config, port }) {
    const file = join(folder, 'default.vcl');
    await writeFile(file, `${config}\n`);
    return [
      'varnishd',
      '-F',
      '-j',
      'none',
      '-n',
      join(folder, 'work'),
      '-a',
      `127.0.0.1:${port}`,
      '-f',
      file,
    ];
  },
};

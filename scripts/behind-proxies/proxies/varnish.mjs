import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Varnish 7.1',
  package: 'varnish',
  place: '`/etc/varnish/default.vcl`; what its first line says belongs to the command line of the service',
  config: ({ upstream, idleSeconds }) => {
    const [host, port] = upstream.split(':');
    return [
      {
        text: `# varnishd -p pipe_timeout=${idleSeconds}`,
        name: '-p pipe_timeout',
        cost: 'a silent WebSocket is cut after 60 s',
        defaultSeconds: 60,
      },
      'vcl 4.1;',
      'backend host {',
      `  .host = "${host}"; .port = "${port}";`,
      {
        text: `  .first_byte_timeout = ${idleSeconds}s;`,
        cost: 'a silent call of another caller is a 503 after 60 s',
        defaultSeconds: 60,
      },
      {
        text: `  .between_bytes_timeout = ${idleSeconds}s;`,
        cost: 'a silent stream without heartbeats is cut after 60 s',
        defaultSeconds: 60,
      },
      '}',
      'sub vcl_recv {',
      {
        text: '  if (req.http.Upgrade ~ "(?i)^websocket$") { return (pipe); }',
        name: 'return (pipe)',
        cost: 'WebSockets are a 404',
      },
      { text: '  return (pass);', cost: 'a response that says nothing of caching is kept for 120 s' },
      '}',
      {
        text: 'sub vcl_pipe {\n  set bereq.http.Upgrade = req.http.Upgrade;\n  set bereq.http.Connection = req.http.Connection;\n}',
        name: 'sub vcl_pipe',
        cost: 'WebSockets are a 404',
      },
    ];
  },
  async start({ folder, config, port }) {
    const file = join(folder, 'default.vcl');
    await writeFile(file, `${config}\n`);
    const parameters = /^# varnishd (.*)$/m.exec(config)?.[1].split(' ') ?? [];
    const own = ['-F', '-j', 'none', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', file];
    return ['varnishd', ...own, ...parameters];
  },
};

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'lighttpd 1.4',
  package: 'lighttpd',
  place: '`/etc/lighttpd/conf-enabled/sandboxes.conf`',
  config: ({ upstream }) => {
    const [host, port] = upstream.split(':');
    return [
      'server.modules += ("mod_proxy")',
      `proxy.server = ("" => (("host" => "${host}", "port" => ${port})))`,
      { text: 'proxy.header = ("upgrade" => "enable")', cost: 'WebSockets are a 404' },
      {
        text: 'server.stream-response-body = 2',
        cost: 'a stream arrives when it has ended: events, the output of commands; nobody’s leaving is seen',
      },
      {
        text: 'server.stream-request-body = 2',
        cost: 'an upload reaches the sandbox when lighttpd has all of it',
      },
      {
        text: 'server.http-parseopts = (\n  "url-path-2f-decode" => "disable",\n  "url-path-2f-reject" => "disable"\n)',
        name: 'url-path-2f-decode',
        cost: '`%2F` in a path becomes `/`',
      },
    ];
  },
  async start({ folder, config, port }) {
    const file = join(folder, 'lighttpd.conf');
    const own = `server.document-root = "${folder}"\nserver.port = ${port}\nserver.bind = "127.0.0.1"\n`;
    await writeFile(file, `${own}server.upload-dirs = ("${folder}")\n${config}\n`);
    return ['lighttpd', '-D', '-f', file];
  },
};

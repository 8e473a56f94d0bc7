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
        text: 'server.http-parseopts := ("url-path-2f-decode" => "disable")',
        name: 'url-path-2f-decode',
        cost: '`%2F` in a path becomes `/`',
      },
    ];
  },
  async start({ folder, config, port }) {
    const file = join(folder, 'lighttpd.conf');
    const own = [
      `server.document-root = "${folder}"`,
      `server.upload-dirs = ("${folder}")`,
      'server.bind = "127.0.0.1"',
      `server.port = ${port}`,
      // As Debian's own file has it.
      'server.http-parseopts = ("url-path-2f-decode" => "enable", "url-path-dotseg-remove" => "enable")',
    ];
    await writeFile(file, `${[...own, config].join('\n')}\n`);
    return ['lighttpd', '-D', '-f', file];
  },
};

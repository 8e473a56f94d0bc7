import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Squid 5.7',
  package: 'squid',
  place: '`/etc/squid/squid.conf`, in place of what is there',
  config: ({ port, upstream, idleSeconds }) => {
    const [host, upstreamPort] = upstream.split(':');
    const peer = `cache_peer ${host} parent ${upstreamPort} 0 no-query originserver`;
    return [
      `http_port ${port} accel vhost`,
      {
        text: `${peer} login=PASSTHRU`,
        instead: peer,
        name: 'login=PASSTHRU',
        cost: 'the agent gets no `Authorization`',
      },
      'http_access allow all',
      {
        text: 'cache deny all',
        cost: 'a response with `Last-Modified` that says nothing of caching is kept, for a tenth of its age',
      },
      { text: 'http_upgrade_request_protocols websocket allow all', cost: 'WebSockets are a 404' },
      { text: `read_timeout ${idleSeconds} seconds`, cost: '15 minutes count (not waited for here)' },
    ];
  },
  async start({ folder, config, port }) {
    const file = join(folder, 'squid.conf');
    const own = [
      'pid_filename none',
      'cache_log stdio:/dev/stderr',
      'access_log none',
      `coredump_dir ${folder}`,
    ];
    const local = config.replace(`http_port ${port} `, `http_port 127.0.0.1:${port} `);
    await writeFile(
      file,
      `${[local, ...own, 'pinger_enable off', 'shutdown_lifetime 0 seconds'].join('\n')}\n`,
    );
    return ['squid', '-N', '-f', file];
  },
};

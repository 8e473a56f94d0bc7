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
      { text: `${peer} login=PASSTHRU`, instead: peer, name: 'login=PASSTHRU', cost: '' },
      'http_access allow all',
      { text: 'cache deny all', cost: '' },
      { text: 'http_upgrade_request_protocols websocket allow all', cost: '' },
      { text: `read_timeout ${idleSeconds} seconds`, cost: '' },
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

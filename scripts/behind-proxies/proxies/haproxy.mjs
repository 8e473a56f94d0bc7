import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'HAProxy 2.6',
  package: 'haproxy',
  place: '`/etc/haproxy/haproxy.cfg`, after its `defaults`',
  config: ({ port, upstream, idleSeconds }) => [
    'listen sandboxes',
    `  bind :${port}`,
    `  server host ${upstream}`,
    { text: '  option http-no-delay', cost: 'each event is late by 0.1 s to 0.2 s' },
    {
      text: '  option abortonclose',
      cost: 'that a caller left a stream is seen at the next heartbeats, after 30 s',
    },
    {
      text: `  timeout server ${idleSeconds}s`,
      cost: 'a silent call of another caller is a 504 after 50 s, and a silent stream without heartbeats is cut',
      defaultSeconds: 50,
    },
    {
      text: `  timeout tunnel ${idleSeconds}s`,
      cost: 'a silent WebSocket is cut after 50 s',
      defaultSeconds: 50,
    },
  ],
  async start({ folder, port, config }) {
    const local = config.replace(`bind :${port}`, `bind 127.0.0.1:${port}`);
    const file = join(folder, 'haproxy.cfg');
    // What Debian's own file has.
    const defaults =
      'defaults\n  mode http\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50s\n';
    await writeFile(file, `${defaults}${local}\n`);
    return ['haproxy', '-db', '-f', file];
  },
};

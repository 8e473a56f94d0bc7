import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const directories = ['sysconfdir', 'localstatedir', 'runtimedir', 'logdir', 'cachedir'];

export default {
  title: 'Traffic Server 9.2',
  package: 'trafficserver',
  place: 'In `/etc/trafficserver`, `records.config` at its end and the others in place of what is there',
  config: ({ port, upstream, idleSeconds }) => [
    '# remap.config',
    `map / http://${upstream}/`,
    '# records.config',
    `CONFIG proxy.config.http.server_ports STRING ${port}`,
    {
      text: 'CONFIG proxy.config.url_remap.pristine_host_hdr INT 1',
      name: 'pristine_host_hdr',
      cost: 'names of sandboxes are lost: 404 for what is asked by name, as WebSockets are',
    },
    {
      text: `CONFIG proxy.config.http.transaction_no_activity_timeout_in INT ${idleSeconds}`,
      name: 'transaction_no_activity_timeout_in',
      cost: 'a silent stream without heartbeats is cut after 30 s',
      defaultSeconds: 30,
    },
    {
      text: `CONFIG proxy.config.http.transaction_no_activity_timeout_out INT ${idleSeconds}`,
      name: 'transaction_no_activity_timeout_out',
      cost: 'a silent call of another caller is a 504 after 30 s, and a silent stream without heartbeats is cut',
      defaultSeconds: 30,
    },
    '# ip_allow.yaml',
    {
      text: 'ip_allow:\n  - { apply: in, ip_addrs: 0/0, action: allow, methods: ALL }',
      name: 'ip_allow',
      cost: '`DELETE` from other machines is a 403: nobody can kill a sandbox',
    },
  ],
  async start({ folder, port, config }) {
    const places = Object.fromEntries(directories.map((name) => [name, join(folder, name)]));
    for (const place of Object.values(places)) await mkdir(place, { recursive: true });
    await cp('/etc/trafficserver', places.sysconfdir, { recursive: true, dereference: true });
    const local = config.replace(`STRING ${port}`, `STRING ${port}:ip-in=127.0.0.1`);
    for (const part of local.split(/^# /m).slice(1)) {
      const [name, ...lines] = part.split('\n');
      if (lines.join('').trim() === '') continue;
      // What a records.config says last holds.
      const flag = name === 'records.config' ? 'a' : 'w';
      await writeFile(join(places.sysconfdir, name), `\n${lines.join('\n')}\n`, { flag });
    }
    const root = { prefix: '/usr', exec_prefix: '/usr', bindir: '/usr/bin', sbindir: '/usr/sbin', ...places };
    const file = join(folder, 'runroot.yaml');
    await writeFile(
      file,
      Object.entries(root)
        .map(([name, path]) => `${name}: ${path}\n`)
        .join(''),
    );
    return ['traffic_server', `--run-root=${file}`];
  },
};

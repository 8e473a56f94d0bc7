import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'Caddy 2.6',
  package: 'caddy',
  place: '`/etc/caddy/Caddyfile`, in place of what is there',
  config: ({ port, upstream }) => [
    {
      text: `:${port} {`,
      instead: `http://example.com:${port} {`,
      name: 'a site without a name',
      cost: 'other names, and requests by address, get an empty 200',
    },
    `  reverse_proxy ${upstream}`,
    '}',
  ],
  async start({ folder, config }) {
    const file = join(folder, 'Caddyfile');
    await writeFile(file, `{\n  admin off\n  auto_https off\n  default_bind 127.0.0.1\n}\n${config}\n`);
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', file];
  },
};

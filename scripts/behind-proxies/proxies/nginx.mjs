import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default {
  title: 'nginx 1.22',
  package: 'nginx',
  place: '`/etc/nginx/conf.d/sandboxes.conf`, without `/etc/nginx/sites-enabled/default`',
  config: ({ port, upstream, idleSeconds }) => [
    'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }',
    'server {',
    `  listen ${port};`,
    {
      text: '  client_max_body_size 0;',
      cost: 'an upload of more than 1 MB is a 413',
    },
    '  location / {',
    `    proxy_pass http://${upstream};`,
    {
      text: '    proxy_http_version 1.1;',
      cost: 'an agent that dies in mid-stream looks as if it had ended, and uploads are held back',
    },
    {
      text: '    proxy_set_header Host $http_host;',
      cost: 'names of sandboxes are lost: 404 for what is asked by name, as WebSockets are',
    },
    { text: '    proxy_set_header Upgrade $http_upgrade;', cost: 'WebSockets are a 404' },
    { text: '    proxy_set_header Connection $connection_upgrade;', cost: 'WebSockets are a 404' },
    {
      text: '    proxy_request_buffering off;',
      cost: 'an upload reaches the sandbox when nginx has all of it',
    },
    {
      name: 'proxy_buffer_size, proxy_buffers',
      text: '    proxy_buffer_size 64k;\n    proxy_buffers 8 64k;',
      cost: 'a response with a head of more than 4 kB is a 502',
    },
    {
      text: `    proxy_read_timeout ${idleSeconds}s;`,
      cost: 'a silent call of another caller is a 504 after 60 s, a silent stream without heartbeats or WebSocket is cut',
      defaultSeconds: 60,
    },
    '  }',
    '}',
  ],
  async start({ folder, port, config }) {
    const local = config.replace(`listen ${port};`, `listen 127.0.0.1:${port};`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
    const file = join(folder, 'nginx.conf');
    await writeFile(
      file,
      `daemon off; pid ${folder}/pid; events {}\nhttp { access_log off; ${paths}\n${local}\n}\n`,
    );
    return ['nginx', '-e', 'stderr', '-c', file];
  },
};

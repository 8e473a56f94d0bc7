// Runs the programs of docs/client.md, as a new project compiled them, against a sandbox host of our own: its agent is
// deployed first, then each program runs in the order of the page. None may fail, warn, or leave a sandbox.
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createSandboxHost } from '@sandpiper/sandbox-host';
import { Sandbox } from 'e2b';

const [project] = process.argv.slice(2);
const host = await createSandboxHost();
try {
  const { apiKey, apiUrl, sandboxUrl } = host;
  const env = { ...process.env, E2B_API_KEY: apiKey, E2B_API_URL: apiUrl, E2B_SANDBOX_URL: sandboxUrl };
  const programs = (await readdir(join(project, 'dist')))
    .filter((name) => name.startsWith('program-'))
    .sort();
  if (programs.length === 0) throw new Error('docs/client.md has no programs.');
  for (const name of ['deploy.js', ...programs]) {
    const { stderr } = await promisify(execFile)(process.execPath, [join('dist', name)], {
      cwd: project,
      env,
      timeout: 120_000,
    });
    if (stderr !== '') throw new Error(`${name} said: ${stderr}`);
  }
  const left = await Sandbox.list({ apiKey, apiUrl }).nextItems();
  if (left.length > 0) throw new Error(`${left.length} sandboxes are left.`);
} finally {
  await host.close();
}

// Runs the README's programs, as a new project compiled them, against a sandbox host of our own:
// the agent becomes a template, the backend talks to it. Says on standard error what differs from what is expected.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createSandboxHost } from '@sandpiper/sandbox-host';
import { Template } from 'e2b';

const [project] = process.argv.slice(2);
const host = await createSandboxHost();
try {
  const template = Template({ fileContextPath: project })
    .fromTemplate('base')
    .copy('dist', 'dist', { gzip: false })
    .copy('node_modules', 'node_modules', { gzip: false })
    .copy('package.json', 'package.json')
    .setStartCmd('node dist/agent.js', 'true');
  await Template.build(template, 'my-agent', { apiKey: host.apiKey, apiUrl: host.apiUrl });
  const { stdout } = await promisify(execFile)(process.execPath, ['dist/backend.js'], {
    cwd: project,
    env: {
      ...process.env,
      E2B_API_KEY: host.apiKey,
      E2B_API_URL: host.apiUrl,
      E2B_SANDBOX_URL: host.sandboxUrl,
    },
    timeout: 60_000,
  });
  if (!stdout.includes('Hello')) throw new Error(`The backend printed: ${stdout}`);
} finally {
  await host.close();
}

import type { SandboxProcess } from './process-table.js';
import type { Sandbox } from './sandbox.js';

/** Starts a script as the commands of a template are run: in a login shell, as its user and in its directory. */
export function startShell(
  sandbox: Sandbox,
  script: string,
  { logged = false }: { logged?: boolean } = {},
): Promise<SandboxProcess> {
  const { user, workdir } = sandbox.settings;
  return sandbox.start({
    cmd: '/bin/bash',
    args: ['-l', '-c', script],
    envs: {},
    cwd: workdir,
    user,
    stdin: false,
    logged,
  });
}

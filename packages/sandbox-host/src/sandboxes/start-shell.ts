import type { ProcessRequest, SandboxProcess } from './process-table.js';
import type { SandboxSettings } from './sandbox-settings.js';

/** Where a script is run: a sandbox, as far as that takes. */
export interface ScriptTarget {
  readonly settings: Pick<SandboxSettings, 'user' | 'workdir'>;
  start(request: ProcessRequest): Promise<SandboxProcess>;
}

/** Starts a script as the commands of a template are run: in a login shell, as its user and in its directory. */
export function startShell(
  sandbox: ScriptTarget,
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

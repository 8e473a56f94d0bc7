import type { ProcessRequest } from './process-table.js';
import type { Sandbox } from './sandbox.js';

/** The environment of a program: what every one of a sandbox gets, under what was asked for this one. */
export function programEnvironment(sandbox: Sandbox, request: ProcessRequest): Record<string, string> {
  const home = request.user === 'root' ? '/root' : '/home/user';
  return {
    PATH: '/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/user/.local/bin',
    LANG: 'C.UTF-8',
    SHELL: '/bin/bash',
    HOME: home,
    USER: request.user,
    LOGNAME: request.user,
    E2B_SANDBOX: 'true',
    E2B_SANDBOX_ID: sandbox.id,
    E2B_TEMPLATE_ID: sandbox.settings.templateId,
    ...sandbox.platform.envs,
    ...sandbox.settings.envs,
    ...request.envs,
  };
}

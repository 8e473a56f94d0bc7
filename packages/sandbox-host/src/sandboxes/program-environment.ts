import type { ProcessRequest } from './process-table.js';

/** What programs of a sandbox are told of it. */
export interface EnvironmentFacts {
  id: string;
  templateId: string;
  /** What the host gives all of its sandboxes. */
  platformEnvs: Record<string, string>;
  /** The sandbox's own, which go before those. */
  envs: Record<string, string>;
}

/** The environment of a program: what every one of a sandbox gets, under what was asked for this one. */
export function programEnvironment(
  { id, templateId, platformEnvs, envs }: EnvironmentFacts,
  request: ProcessRequest,
): Record<string, string> {
  const home = request.user === 'root' ? '/root' : '/home/user';
  return {
    PATH: '/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/user/.local/bin',
    LANG: 'C.UTF-8',
    SHELL: '/bin/bash',
    HOME: home,
    USER: request.user,
    LOGNAME: request.user,
    E2B_SANDBOX: 'true',
    E2B_SANDBOX_ID: id,
    E2B_TEMPLATE_ID: templateId,
    ...platformEnvs,
    ...envs,
    ...request.envs,
  };
}

import { ownerTag, ownerTagPattern } from '../owner.js';

const ownerVariable = 'SANDPIPER_OWNER';

/** The environment of the machine's own tools when a host runs them: it says which host that is. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, [ownerVariable]: ownerTag() };
}

/** The host that {@link toolEnvironment} named, in an environment as proc(5) shows it. */
export function ownerOfTool(environment: string): string | undefined {
  return new RegExp(`(?:^|\0)${ownerVariable}=(${ownerTagPattern})(?:\0|$)`).exec(environment)?.[1];
}

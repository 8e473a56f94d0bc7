import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, type TestOptions } from 'vitest';

/** What this machine lacks of what tests need: each is tried here and asked of no host, whose word is what is tested. */

/** Those of these tools that are not in the search path. */
export function missingTools(...tools: string[]): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isThere = (tool: string): boolean =>
    folders.some((folder) => {
      try {
        accessSync(join(folder, tool), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  return tools.filter((tool) => !isThere(tool));
}

/** Why sandboxes cannot have namespaces here; undefined where they can. */
export const isolationObstacle: string | undefined = (() => {
  if (process.platform !== 'linux') return `${process.platform} has no namespaces`;
  if (process.getuid?.() !== 0) return 'the tests do not run as root';
  const missing = missingTools('perl', 'unshare', 'setpriv');
  if (missing.length > 0) return `${missing.join(', ')} is not installed`;
  const flags = ['--mount', '--pid', '--ipc', '--uts', '--fork'];
  const { status } = spawnSync('unshare', [...flags, 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']);
  return status === 0 ? undefined : 'the system lets root make no namespaces';
})();

/** Why network namespaces with links and filters cannot be made here; undefined where they can. */
export const networkObstacle: string | undefined = (() => {
  if (isolationObstacle !== undefined) return isolationObstacle;
  const missing = missingTools('ip', 'nft');
  if (missing.length > 0) return `${missing.join(', ')} is not installed`;
  const { status } = spawnSync('unshare', ['--net', 'nft', 'add table inet probe']);
  return status === 0 ? undefined : 'the system lets root make no packet filter';
})();

/** What tests skip themselves with that use git in sandboxes; undefined where it is there. */
export const gitObstacle: string | undefined =
  missingTools('git').length > 0 ? 'git is not installed' : undefined;

/** Whether sandboxes can have namespaces here. */
export const canIsolate: boolean = isolationObstacle === undefined;

/** To be put at the end of the title of tests that are skipped for an obstacle. */
export function unless(obstacle: string | undefined): string {
  return obstacle === undefined ? '' : ` (skipped: ${obstacle})`;
}

type Suite = (name: string, ...rest: [suite: () => void] | [options: TestOptions, suite: () => void]) => void;
const suiteUnless =
  (obstacle: string | undefined): Suite =>
  (name, ...rest) => {
    const [options, suite] = rest.length === 2 ? rest : [{}, rest[0]];
    describe.skipIf(obstacle)(name + unless(obstacle), options, suite);
  };

/** A suite of tests that need namespaces, or links and filters besides; where there are none its title says why not. */
export const describeIsolated: Suite = suiteUnless(isolationObstacle);
export const describeNetwork: Suite = suiteUnless(networkObstacle);

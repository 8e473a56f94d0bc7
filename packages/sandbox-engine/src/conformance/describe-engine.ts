import { describe } from 'vitest';
import { type StartEngine, useEngine } from '../testing/engine-fixture.js';
import { unless } from '../testing/machine.js';
import { type Adoption, describeAdoption } from './adoption.js';
import { describeCapabilities } from './capabilities.js';
import { describeCommands } from './commands.js';
import { describeDisk } from './disk.js';
import { describeFiles } from './files.js';
import { describeHibernation } from './hibernation.js';
import { describeIsolation } from './isolation.js';
import { describeLifecycle } from './lifecycle.js';
import { describeLimits } from './limits.js';
import { describeVolumes } from './volumes.js';

export interface DescribeEngineOptions {
  /** Why the engine cannot run on this machine: then everything is skipped, with this reason. */
  obstacle?: string | undefined;
  /** For engines whose sandboxes outlive their host. Default: it is not tested what becomes of them. */
  adoption?: Adoption | undefined;
}

/**
 * What every engine must do, as tests on real sandboxes. What an engine does not enforce on this machine, as its
 * `capabilities` say, is skipped with the reason they give.
 *
 * @param start - Starts the engine as a host would; called once.
 * @example
 * describeEngine('docker', (directory) => startDockerEngine({ directory, logger: console }), { obstacle });
 */
export function describeEngine(
  name: string,
  start: StartEngine,
  { obstacle, adoption }: DescribeEngineOptions = {},
): void {
  describe.skipIf(obstacle)(`the engine ${name}${unless(obstacle)}`, { timeout: 90_000 }, () => {
    const fixture = useEngine(start);
    describeCapabilities(fixture);
    describeLifecycle(fixture);
    describeCommands(fixture);
    describeFiles(fixture);
    describeIsolation(fixture);
    describeLimits(fixture);
    describeDisk(fixture);
    describeHibernation(fixture);
    describeVolumes(fixture);
    if (adoption) describeAdoption(adoption);
  });
}

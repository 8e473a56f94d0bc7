import { gitObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import * as newest from 'e2b';
import { beforeAll, expect, test } from 'vitest';
import { commands } from './surface/commands.js';
import { files } from './surface/files.js';
import { git } from './surface/git.js';
import { type PublicMethods, publicMethods } from './surface/public-methods.js';
import { CallRecord } from './surface/record-calls.js';
import { sandboxes } from './surface/sandboxes.js';
import type { Surface } from './surface/surface.js';
import { templates } from './surface/templates.js';
import { describeHosts } from './with-host.js';

/** What is refused by one machine, in these words. */
const refused: Record<string, RegExp> = {
  'Sandbox#getMcpToken': /does not exist/,
  'Secret.create': /501: This host has no stored secrets/,
  'Secret.update': /501: This host has no stored secrets/,
  'Secret.getInfo': /501: This host has no stored secrets/,
  'Secret.exists': /501: This host has no stored secrets/,
  'Secret.destroy': /501: This host has no stored secrets/,
  'SecretPaginator#nextItems': /501: This host has no stored secrets/,
};
/** What is not called: the SDK declares the class of the one and hands out no object of it. */
const uncalled = ['VolumeConnectionConfig#getSignal'];
/** And where sandboxes have no root of their own, Debian's packages would be installed on this machine. */
const uncalledWithoutRoot = ['TemplateBase#aptInstall', ...uncalled];

const surfaces = new Map<typeof newest, { methods: PublicMethods; record: CallRecord }>();
function surfaceOf(sdk: typeof newest) {
  let found = surfaces.get(sdk);
  if (!found) {
    const methods = publicMethods(sdk === newest ? 'e2b' : 'e2b-older');
    found = { methods, record: new CallRecord(sdk, methods) };
    surfaces.set(sdk, found);
  }
  return found;
}

describeHosts(
  'every public method of the SDK',
  (fixture) => {
    const { methods, record } = surfaceOf(fixture.sdk);
    beforeAll(() => record.outcomes.clear());
    const surface: Surface = { fixture, sdk: record.sdk };
    for (const part of [sandboxes, commands, files, git, templates]) part(surface);

    // Has to come last: it looks at what became of the calls above.
    test('was called, and did what it is for or was refused as is known', () => {
      const left = methods.names.filter((name) => {
        if (gitObstacle !== undefined && /^Git#|#gitClone$/.test(name)) return false;
        const { succeeded = 0, errors = [] } = record.outcomes.get(name) ?? {};
        const expected = refused[name];
        return expected ? !errors.some(({ message }) => expected.test(message)) : succeeded === 0;
      });
      expect(left).toEqual(fixture.isolation === 'none' ? uncalledWithoutRoot : uncalled);
    });
  },
  { withOlderSdk: true, withTls: true },
);

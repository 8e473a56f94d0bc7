import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type EngineFixture, runIn, smallLimits } from '../testing/engine-fixture.js';
import { skipUnless } from './skip-unless.js';

const closed = { internet: false, allowOut: [], denyOut: [] };

/** What a sandbox has no part in. What programs try that want out is for each engine to test: it depends on its walls. */
export function describeIsolation(fixture: EngineFixture): void {
  describe('what is outside a sandbox', () => {
    test('is neither read nor seen: files and processes of the host', async ({ skip }) => {
      skipUnless(fixture, 'isolation', skip);
      const sandbox = await fixture.start();
      const secret = join(fixture.directory, 'secret');
      writeFileSync(secret, 'of the host', { mode: 0o644 });
      for (const user of ['user', 'root'] as const) {
        expect((await runIn(sandbox, `cat ${secret}`, user)).code).not.toBe(0);
        const count = 'ls -d /proc/[0-9]* | wc -l';
        expect(Number((await runIn(sandbox, count, user)).output), user).toBeLessThan(20);
      }
      await expect(sandbox.files.read(secret)).rejects.toMatchObject({ status: 404 });
    });

    test('is out of reach without internet: servers of the host', async ({ skip }) => {
      skipUnless(fixture, 'network', skip);
      const server = createServer((_, response) => response.end('the host'));
      await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const sandbox = await fixture.start(smallLimits, { network: closed });
        const urls = Object.values(networkInterfaces())
          .flatMap((all) => all ?? [])
          .filter(({ family }) => family === 'IPv4')
          .map(({ address }) => `http://${address}:${port}`);
        let tried = 0;
        for (const url of urls) {
          // An address may have gone meanwhile: of a link to a sandbox of somebody else.
          const said = await fetch(url).then(
            (response) => response.text(),
            () => undefined,
          );
          if (said !== 'the host') continue;
          tried += 1;
          const ask = `fetch('${url}', { signal: AbortSignal.timeout(5000) }).then(() => 'reached', () => 'refused').then(console.log)`;
          expect(await runIn(sandbox, `node -e "${ask}"`), url).toMatchObject({ output: 'refused\n' });
        }
        expect(tried).toBeGreaterThan(0);
      } finally {
        server.close();
      }
    });
  });
}

import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';

describeIsolated('a host with limits', () => {
  test('says to the caller and in the log that a command was killed for memory', async () => {
    await using host = await createSandboxHost();
    const { apiUrl, sandboxUrl, apiKey } = host;
    const sandbox = await Sandbox.create({ apiUrl, sandboxUrl, apiKey });
    const bomb = sandbox.commands.run('node -e "Buffer.alloc(900e6, 1)"');
    await expect(bomb).rejects.toMatchObject({
      error: expect.stringMatching(/^(signal: killed|exit status 137) \(the sandbox ran out of memory\)$/),
    });
    await sandbox.getMetrics();
    const answer = await fetch(`${apiUrl}/sandboxes/${sandbox.sandboxId}/logs`, {
      headers: { 'X-API-KEY': apiKey },
    });
    expect(await answer.text()).toContain('Out of memory: 1 killed at the limit of 512 MB.');
  });
});

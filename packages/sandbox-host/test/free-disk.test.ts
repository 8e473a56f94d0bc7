import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';

test('below what has to be free on the disk nothing is created or built', async () => {
  // More than any disk has.
  await using host = await createSandboxHost({ isolation: 'none', minFreeDiskMb: 2 ** 40 });
  const post = (path: string, body: unknown) =>
    fetch(host.apiUrl + path, {
      method: 'POST',
      headers: { 'x-api-key': host.apiKey },
      body: JSON.stringify(body),
    });
  const created = await post('/v2/sandboxes', { templateID: 'base' });
  expect([created.status, ((await created.json()) as { message: string }).message]).toEqual([
    507,
    expect.stringMatching(/has \d+ MB left.*option minFreeDiskMb/),
  ]);
  const asked = await post('/v3/templates', { name: 'unbuilt' });
  const { templateID, buildID } = (await asked.json()) as { templateID: string; buildID: string };
  expect((await post(`/v2/templates/${templateID}/builds/${buildID}`, { steps: [] })).status).toBe(507);
});

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('%s is no size of a disk', async (minFreeDiskMb) => {
  await expect(createSandboxHost({ isolation: 'none', minFreeDiskMb })).rejects.toThrow('minFreeDiskMb');
});

import { cpus, totalmem } from 'node:os';
import { describe, expect, test } from 'vitest';
import { canIsolate, deployed, needsIsolation } from '../deployed.mjs';
import { deploy } from './deploy.mjs';

const place = deployed('data-analyst', deploy);

describe('the data analyst, in a sandbox', () => {
  test('answers about the data it is sent, and remembers it', async () => {
    const session = await place.session();
    const data = { name: 'rain.csv', content: 'city,rain\nOslo,3\nOslo,5\nRome,1\n' };
    const findings = await session.stream({ prompt: 'What is the average rain by city?', data }).collect();
    expect(findings).toContainEqual({ type: 'dataset', name: 'rain.csv', rows: 3, columns: 2 });
    expect(findings.at(-1)).toEqual({
      type: 'answer',
      text: 'The average rain is highest for city Oslo (4) and lowest for city Rome (1).',
    });
    const again = await session.stream('And in Rome?').collect();
    expect(again.at(-1)).toMatchObject({ type: 'answer', text: expect.stringContaining('Rome') });
  });

  const enough = cpus().length >= 4 && totalmem() >= 8192 * 2 ** 20;
  test.skipIf(!canIsolate || enough)(
    `is given what a smaller machine has, and its log says so (${needsIsolation}, and less than 4 CPU or 8 GB)`,
    async () => {
      const { sandboxId } = await place.session();
      const { apiUrl, apiKey } = place.platform;
      const response = await fetch(`${apiUrl}/v2/sandboxes/${sandboxId}/logs`, {
        headers: { 'x-api-key': apiKey },
      });
      const { logs } = await response.json();
      expect(logs.map(({ message }) => message)).toContainEqual(
        expect.stringMatching(/asks for (4 CPU|8192 MB).*; this machine gives \d+/),
      );
    },
  );
});

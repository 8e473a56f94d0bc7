import { describe, expect, test } from 'vitest';
import { deployed } from '../deployed.mjs';
import { deploy } from './deploy.mjs';

const place = deployed('basic-agent', deploy);

describe('the basic agent, in a sandbox', () => {
  test('answers as a whole and word by word, and remembers', async () => {
    const session = await place.session();
    expect((await session.invoke('What is 6 × 7?')).result).toEqual({ text: '6 × 7 = 42', turns: 2 });
    const words = await session.stream({ prompt: 'What did I say?', stream: true }).collect();
    expect(words.length).toBeGreaterThan(3);
    expect(words.join('')).toBe('You said “What is 6 × 7?”.');
  });

  test('says what is wrong with a request', async () => {
    const session = await place.session();
    await expect(session.invoke({ prompt: '' })).rejects.toMatchObject({
      name: 'ValidationError',
      issues: [expect.objectContaining({ path: ['prompt'] })],
    });
  });

  test('has the processor and the memory that its template says', async () => {
    const session = await place.session();
    expect(await (await place.sandbox(session)).getInfo()).toMatchObject({ cpuCount: 1, memoryMB: 2048 });
  });
});

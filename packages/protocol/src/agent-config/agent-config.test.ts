import { describe, expect, test } from 'vitest';
import { agentConfigSchema } from './agent-config.js';
import { parseCpu, parseMemory } from './quantity.js';

const smallest = {
  apiVersion: 'v1',
  kind: 'Agent',
  metadata: { name: 'my-agent', version: '1.0.0', author: 'dev@example.com' },
  spec: { entrypoint: 'src/agent.ts' },
};

/** The paths of everything the schema finds wrong. */
function complaints(config: unknown): string[] {
  const parsed = agentConfigSchema.safeParse(config);
  return parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('an agent config', () => {
  test('needs a name, a version, an author and an entry point, and no more', () => {
    expect(complaints(smallest)).toEqual([]);
    expect(complaints({ ...smallest, metadata: {}, spec: {} }).map((text) => text.split(':')[0])).toEqual([
      'metadata.name',
      'metadata.version',
      'metadata.author',
      'spec.entrypoint',
    ]);
  });

  test('with a key nobody knows is refused, and the key is named', () => {
    const config = { ...smallest, spec: { entrypoint: 'a.py', runtime: { memory: '1Gi' } } };
    expect(complaints(config)).toEqual([expect.stringMatching(/^spec\.runtime: .*"memory"/)]);
  });

  test.each([
    ['name', { metadata: { ...smallest.metadata, name: 'My Agent' } }],
    ['author', { metadata: { ...smallest.metadata, author: 'nobody' } }],
    ['entrypoint', { spec: { entrypoint: 'agent.rb' } }],
    ['timeout', { spec: { entrypoint: 'a.ts', runtime: { timeout: 3601 } } }],
    ['memory_limit', { spec: { entrypoint: 'a.ts', runtime: { memory_limit: '1 gig' } } }],
    ['cpu_limit', { spec: { entrypoint: 'a.ts', runtime: { cpu_limit: 'two' } } }],
  ])('with a bad %s is refused', (field, part) => {
    expect(complaints({ ...smallest, ...part })).toEqual([expect.stringContaining(field)]);
  });
});

describe('quantities', () => {
  test.each([
    ['512Mi', 512 * 1024 * 1024],
    ['1Gi', 1024 ** 3],
    ['1.5G', 1.5e9],
    ['1024', 1024],
    ['0', undefined],
    ['-1Gi', undefined],
    ['1GB', undefined],
  ])('%s of memory is %s bytes', (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
  });

  test.each([
    ['500m', 0.5],
    ['2', 2],
    ['1.5', 1.5],
    ['0m', undefined],
    ['half', undefined],
  ])('%s is %s processors', (text, processors) => {
    expect(parseCpu(text)).toBe(processors);
  });
});

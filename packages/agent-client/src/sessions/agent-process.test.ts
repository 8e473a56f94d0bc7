import { describe, expect, test } from 'vitest';
import { agentCommand } from './agent-process.js';

describe('the command of an entrypoint', () => {
  test.each([
    ['agent.py', "exec python3 'agent.py'"],
    ['src/agent.js', "exec node 'src/agent.js'"],
    ['agent.mjs', "exec node 'agent.mjs'"],
    [
      'agent.ts',
      "if [ -x node_modules/.bin/tsx ]; then exec node_modules/.bin/tsx 'agent.ts'; else exec node 'agent.ts'; fi",
    ],
    ["it's; rm -rf /.js", "exec node 'it'\\''s; rm -rf /.js'"],
  ])('%s', (entrypoint, command) => {
    expect(agentCommand(entrypoint)).toBe(command);
  });
});

import type { Options } from 'tsup';

// One file with everything in it but the database, whose native part can't be bundled.
const options: Options = {
  entry: ['src/agent.ts'],
  format: ['esm'],
  noExternal: [/^(?!@duckdb\/)/],
  target: 'node20',
  clean: true,
};

export default options;

import type { Options } from 'tsup';

// One file with everything in it but the database, whose native part can't be bundled. CommonJS, because some
// dependencies of the runtime are, and a bundle of modules cannot hold their require().
const options: Options = {
  entry: ['src/agent.ts'],
  format: ['cjs'],
  noExternal: [/^(?!@duckdb\/)/],
  target: 'node20',
  clean: true,
};

export default options;

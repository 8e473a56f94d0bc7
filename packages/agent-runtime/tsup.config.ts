import type { Options } from 'tsup';

const options: Options = {
  entry: ['src/index.ts', 'src/worker.ts', 'src/testing.ts'],
  format: ['esm', 'cjs'],
  // Shared chunks would carry what one entry needs of the protocol into all of them.
  splitting: false,
  dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
  target: 'node20',
  clean: true,
  sourcemap: true,
};

export default options;

import type { Options } from 'tsup';
import { textLoader } from '../../scripts/text-files.js';

const options: Options = {
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
  target: 'node20',
  clean: true,
  sourcemap: true,
  loader: textLoader,
};

export default options;

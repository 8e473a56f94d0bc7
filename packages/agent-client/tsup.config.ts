import type { Options } from 'tsup';

const options: Options = {
  entry: {
    index: 'src/index.ts',
    'ai-sdk': 'src/integrations/ai-sdk/index.ts',
    openai: 'src/integrations/openai/index.ts',
  },
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
  target: 'node20',
  clean: true,
  sourcemap: true,
};

export default options;

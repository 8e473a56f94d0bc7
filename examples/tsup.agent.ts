import type { Options } from 'tsup';

/**
 * How every example is built: one file with everything in it but the packages named, which cannot be bundled. CommonJS,
 * because some dependencies of the runtime are, and a bundle of modules cannot hold their require().
 */
export function agentBuild(...packages: string[]): Options {
  return {
    entry: ['src/agent.ts'],
    format: ['cjs'],
    noExternal: [packages.length > 0 ? new RegExp(`^(?!(${packages.join('|')}))`) : /./],
    target: 'node20',
    clean: true,
  };
}

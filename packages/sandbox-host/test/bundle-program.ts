import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { textLoader } from '../../../scripts/text-files.js';

/** A program of `test/programs` as one file, with the agent runtime of this repository in it. */
export async function bundleProgram(name: string): Promise<string> {
  const { outputFiles } = await build({
    loader: textLoader,
    entryPoints: [fileURLToPath(new URL(`programs/${name}`, import.meta.url))],
    alias: {
      '@sandpiper/agent-runtime': fileURLToPath(new URL('../../agent-runtime/src/index.ts', import.meta.url)),
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return outputFiles[0]?.text ?? '';
}

/** What a program that runs beside the dependencies finds there: all packages but those of this repository. */
export const installedPackages: string[] = (() => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  return names.filter((name) => !name.startsWith('@sandpiper/'));
})();

import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

/** What a Worker has to load, minified and brotli, in bytes: at its start, and with all that is loaded when it is needed. */
async function sizeOf(entry: string): Promise<{ atStart: number; imports: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    minify: true,
    splitting: true,
    outdir: 'out',
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
  });
  const name = entry.replace('./', '').replace('.ts', '.js');
  const [path, output] =
    Object.entries(metafile.outputs).find(([file]) => file.endsWith(`out/${name}`)) ?? [];
  const loaded = [
    path,
    ...(output?.imports ?? []).filter(({ kind }) => kind === 'import-statement').map((i) => i.path),
  ];
  const sizes = loaded.map((file) => {
    const contents = outputFiles.find((one) => file && one.path.endsWith(file))?.contents;
    return contents ? brotliCompressSync(contents).length : Number.NaN;
  });
  const imports = Object.keys(metafile.inputs).filter((file) => file.startsWith('node:'));
  return { atStart: sizes.reduce((sum, size) => sum + size, 0), imports };
}

describe('the entry for Workers', () => {
  test('loads at most 35 kB at its start, and nothing of Node', async () => {
    const { atStart, imports } = await sizeOf('./worker.ts');
    expect(atStart).toBeGreaterThan(10_000);
    expect(atStart).toBeLessThan(35_000);
    expect(imports).toEqual([]);
  });
});

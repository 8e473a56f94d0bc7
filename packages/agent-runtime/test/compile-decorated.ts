import { readFile } from 'node:fs/promises';
import ts from 'typescript';

/** Compiles the decorated classes as TypeScript does for its users. */
export async function decorated(): Promise<typeof import('./decorated.js')> {
  const source = await readFile(new URL('./decorated.ts', import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  return import(`data:text/javascript,${encodeURIComponent(outputText)}`);
}

// Whether a package has at run time what its declarations say: every value that an entry point declares is loaded from
// each file that the entry point stands for. TypeScript takes such a name for granted, and Node fails at the import.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

const run = promisify(execFile);

/**
 * Checks one installed or built package.
 *
 * @param {string} folder - Where its package.json is.
 * @returns {Promise<string[]>} What is declared and missing, each in a sentence.
 */
export async function missingValues(folder) {
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const missing = [];
  for (const { types, file } of entries(exports)) {
    const declared = declaredValues(join(folder, types));
    const loaded = await loadedNames(join(folder, file));
    for (const name of declared) {
      if (!loaded.includes(name))
        missing.push(`${types} declares the value ${name}, which ${file} does not have`);
    }
  }
  return missing;
}

/** Every pair of declarations and the code they stand for, wherever it is in an exports map. */
function entries(exports) {
  if (typeof exports !== 'object' || exports === null) return [];
  const { types, default: file } = exports;
  const own = typeof types === 'string' && typeof file === 'string' ? [{ types, file }] : [];
  return [...own, ...Object.values(exports).flatMap(entries)];
}

/** The names that a program may import as values. */
function declaredValues(path) {
  const program = ts.createProgram([path], { module: ts.ModuleKind.Node16, skipLibCheck: true, types: [] });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(path));
  if (!module) throw new Error(`${path} is no module.`);
  return checker
    .getExportsOfModule(module)
    .filter((symbol) => isValue(symbol, checker))
    .map(({ name }) => name);
}

function isValue(symbol, checker) {
  const isTypeOnly = symbol.declarations?.some((declaration) =>
    ts.isTypeOnlyImportOrExportDeclaration(declaration),
  );
  if (isTypeOnly) return false;
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return (target.flags & ts.SymbolFlags.Value) !== 0;
}

/** In a process of its own, by the loader that the file's name or package asks for. */
async function loadedNames(path) {
  const load = path.endsWith('.cjs') ? 'require(process.argv[1])' : 'await import(process.argv[1])';
  const type = path.endsWith('.cjs') ? 'commonjs' : 'module';
  const { stdout } = await run(process.execPath, [
    `--input-type=${type}`,
    '--eval',
    `process.stdout.write(JSON.stringify(Object.keys(${load})))`,
    path,
  ]);
  return JSON.parse(stdout);
}

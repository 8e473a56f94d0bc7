import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** What may be called of an SDK: `Class.method` of a class itself, `Class#method` of its objects, and functions. */
export interface PublicMethods {
  readonly names: readonly string[];
  /** The classes they belong to, those that others extend included. */
  readonly classes: ReadonlySet<string>;
}

/** Reads an SDK's own declarations, so that what a new version adds is found without anybody naming it here. */
export function publicMethods(packageName: string): PublicMethods {
  const entry = createRequire(import.meta.url).resolve(packageName);
  const path = join(dirname(entry), 'index.d.ts');
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const exported = new Set<string>();
  const declared = new Map<string, ts.ClassDeclaration>();
  const names: string[] = [];
  for (const statement of file.statements) {
    if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause &&
      ts.isNamedExports(statement.exportClause)
    )
      for (const { propertyName, name } of statement.exportClause.elements)
        exported.add((propertyName ?? name).text);
    if (ts.isClassDeclaration(statement) && statement.name) declared.set(statement.name.text, statement);
  }
  for (const statement of file.statements)
    if (ts.isFunctionDeclaration(statement) && statement.name && exported.has(statement.name.text))
      names.push(statement.name.text);

  const classes = new Set<string>();
  const take = (name: string): void => {
    const declaration = declared.get(name);
    if (!declaration || classes.has(name)) return;
    classes.add(name);
    for (const { types } of declaration.heritageClauses ?? [])
      for (const { expression } of types) take(expression.getText(file));
    for (const member of declaration.members) {
      if (!ts.isMethodDeclaration(member) || isHidden(member)) continue;
      const own = has(member, ts.SyntaxKind.StaticKeyword) ? '.' : '#';
      names.push(`${name}${own}${member.name.getText(file)}`);
    }
  };
  for (const name of exported) take(name);
  return { names: [...new Set(names)], classes };
}

function has(member: ts.MethodDeclaration, kind: ts.SyntaxKind): boolean {
  return member.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
}

/** Not for callers, or to be filled in by a class that extends this one. */
function isHidden(member: ts.MethodDeclaration): boolean {
  const { PrivateKeyword, ProtectedKeyword, AbstractKeyword } = ts.SyntaxKind;
  return (
    [PrivateKeyword, ProtectedKeyword, AbstractKeyword].some((kind) => has(member, kind)) ||
    ts.getJSDocTags(member).some((tag) => tag.tagName.text === 'internal')
  );
}

/** Where a JSON value holds a NUL character, which neither programs nor files can be given: `envVars.NAME`. */
export function findNul(value: unknown): string | undefined {
  // Not by recursion: a body may be nested deeper than the stack.
  const left: [path: string, value: unknown][] = [['', value]];
  for (let next = left.pop(); next; next = left.pop()) {
    const [path, found] = next;
    if (typeof found === 'string' && found.includes('\0')) return path;
    if (typeof found !== 'object' || found === null) continue;
    for (const [name, inner] of Object.entries(found)) {
      const innerPath = `${path}.${name.includes('\0') ? JSON.stringify(name) : name}`;
      if (name.includes('\0')) return innerPath;
      left.push([innerPath, inner]);
    }
  }
  return undefined;
}

/**
 * Writes any value as JSON, on one line and without ever failing for what JSON cannot hold (docs/wire-protocol.md, "Responses"):
 * `BigInt` → string, `Date` → ISO, `Map`/`Set` → object/array, bytes → base64, not-a-number → null,
 * a value within itself → `"[Circular]"`; `undefined`, functions and symbols → null.
 *
 * @throws RangeError when the value is nested too deeply; whatever a getter or a `toJSON` of the value throws.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(isPlain(value, 0) ? value : plain(value, new Set())) ?? 'null';
}

// Deeper values take the careful way, which finds cycles.
const plainDepth = 32;

/** Whether `JSON.stringify` alone is right: true for nearly all values, and much cheaper than a replacer. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === 'bigint') return false;
  if (typeof value !== 'object' || value === null) return true;
  if (depth > plainDepth) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, depth + 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value instanceof Date;
  const fields: Record<string, unknown> = value as Record<string, unknown>;
  for (const key in fields) {
    const field = fields[key];
    if (
      typeof field === 'object' || typeof field === 'bigint' ? !isPlain(field, depth + 1) : key === 'toJSON'
    )
      return false;
  }
  return true;
}

/** A copy of a value that `JSON.stringify` writes as the wire protocol asks. */
function plain(value: unknown, ancestors: Set<object>): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (ancestors.has(value)) return '[Circular]';
  ancestors.add(value);
  const copy = plainObject(value, (item) => plain(item, ancestors));
  ancestors.delete(value);
  return copy;
}

function plainObject(value: object, copy: (item: unknown) => unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Map) {
    return Object.fromEntries(Array.from(value, ([key, item]) => [String(key), copy(item)]));
  }
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, copy);
  if (value instanceof ArrayBuffer) return base64(new Uint8Array(value));
  if (value instanceof DataView)
    return base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (value instanceof Uint8Array || value instanceof Uint8ClampedArray) return base64(value);
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON());
  if (ArrayBuffer.isView(value)) return Array.from(Object.values(value), copy);
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
  const fields = Object.entries(value).map(([key, item]) => [key, copy(item)]);
  if (value instanceof Error) fields.unshift(['name', value.name], ['message', value.message]);
  return Object.fromEntries(fields);
}

function base64(bytes: Uint8Array | Uint8ClampedArray): string {
  let text = '';
  // In slices: arguments of one call are bounded.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

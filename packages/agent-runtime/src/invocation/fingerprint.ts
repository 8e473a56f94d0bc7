// A hash on the same turn where the platform has one; the web's own is asynchronous.
const nodeCrypto = globalThis.process?.getBuiltinModule?.('node:crypto');

/** What tells one request body from another, without keeping either. */
export function fingerprint(body: string): string | Promise<string> {
  if (nodeCrypto) return nodeCrypto.createHash('sha256').update(body).digest('base64');
  const digest = crypto.subtle.digest('SHA-256', new TextEncoder().encode(body));
  return digest.then((hash) => btoa(String.fromCharCode(...new Uint8Array(hash))));
}

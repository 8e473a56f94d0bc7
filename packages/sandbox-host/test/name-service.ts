import dns from 'node:dns';
import tls from 'node:tls';

/**
 * Does for this process what a DNS record and a trusted certificate do for a machine: names under a domain lead to
 * the loopback interface, and one more certificate is trusted. Everything else about names and TLS stays real.
 *
 * @returns What undoes it.
 */
export function leadHere(domain: string, certificate: string): () => void {
  const { lookup } = dns;
  const { createSecureContext } = tls;
  type Lookup = (name: string, options: dns.LookupOptions, done: (...result: unknown[]) => void) => void;
  const patched: Lookup = (name, options, done) => {
    if (name.endsWith(`.${domain}`)) return (lookup as unknown as Lookup)('127.0.0.1', options, done);
    return (lookup as unknown as Lookup)(name, options, done);
  };
  dns.lookup = patched as unknown as typeof dns.lookup;
  tls.createSecureContext = (options) => {
    const context = createSecureContext(options);
    (context.context as { addCACert(pem: string): void }).addCACert(certificate);
    return context;
  };
  return () => {
    dns.lookup = lookup;
    tls.createSecureContext = createSecureContext;
  };
}

/** What a certificate has to be for, so that a host is reached by its domain, if it has one, and by its address. */
export function certificateNames(address: string, domain: string | undefined): string[] {
  const names = new Set(['localhost', '127.0.0.1', '::1']);
  const everywhere = address === '0.0.0.0' || address === '::';
  if (!everywhere) names.add(address);
  if (domain) for (const prefix of ['', '*.']) names.add(prefix + domain.split(':')[0]);
  return [...names];
}

/** A domain with a port at its end, unless it has one or it is the one that HTTPS has by itself. */
export function withPort(domain: string, port: number): string {
  return port === 443 || domain.includes(':') ? domain : `${domain}:${port}`;
}

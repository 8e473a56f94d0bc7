import { createPrivateKey, X509Certificate } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { namedFileError } from '../storage/named-file-error.js';
import { readOrCreate } from '../storage/read-or-create.js';

/** A certificate and its private key, both as PEM. */
export interface TlsCertificate {
  key: string;
  cert: string;
}

/** Apple's systems take no server certificate that is longer valid (https://support.apple.com/en-us/103769). */
const validityDays = 825;
const renewalDays = 30;
const dayMs = 86_400_000;

/**
 * Takes the self-signed certificate that is kept in a directory, or makes one when there is none, when it is for
 * other names, or when it is about to run out.
 *
 * @param names - DNS names, `*.` at the front being any one label, and IP addresses.
 */
export async function takeCertificate(directory: string, names: string[]): Promise<TlsCertificate> {
  const path = join(directory, 'tls.pem');
  const kept = split(await readOrCreate(path, () => generate(names)));
  try {
    if (fits(kept, names)) return kept;
  } catch (error) {
    throw namedFileError(path, error);
  }
  await rm(path);
  return split(await readOrCreate(path, () => generate(names)));
}

/** @throws Error when the two do not belong together. */
export function checkCertificate({ key, cert }: TlsCertificate): void {
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return;
  throw new Error('tls: the private key in "key" does not belong to the certificate in "cert".');
}

async function generate(names: string[]): Promise<string> {
  // Loaded when it is needed: most hosts are not asked to make one.
  const selfsigned = await import('selfsigned');
  const { private: key, cert } = await selfsigned.generate(
    [{ name: 'commonName', value: 'Sandpiper host' }],
    {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
      notAfterDate: new Date(Date.now() + validityDays * dayMs),
      extensions: [
        // It is its own authority, so that trusting this one certificate is all there is to do.
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          altNames: names.map((name) => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: name })),
        },
      ],
    },
  );
  return `${key.trim()}\n${cert.trim()}`;
}

function split(pem: string): TlsCertificate {
  const at = pem.indexOf('-----BEGIN CERTIFICATE-----');
  return { key: pem.slice(0, at), cert: pem.slice(at) };
}

function fits({ cert }: TlsCertificate, names: string[]): boolean {
  const certificate = new X509Certificate(cert);
  if (Date.parse(certificate.validTo) < Date.now() + renewalDays * dayMs) return false;
  return names.every((name) =>
    isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name.replace('*', 'any')),
  );
}

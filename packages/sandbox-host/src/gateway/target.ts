import type { IncomingMessage } from 'node:http';
import { headers } from '@sandpiper/protocol';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { headerOf } from '../http/messages.js';
import { bareId } from '../sandboxes/identifiers.js';

/** Which port of which sandbox a request is for. */
export interface Target {
  sandboxId: string;
  port: number;
}

/** E2B's older SDKs and PPIO's append the client id that a sandbox came with. */
const hostPattern = /^(\d{1,5})-([a-z0-9]+)(?:-[a-z0-9]+)?\./i;

/** Reads the target from E2B's headers, else from a host name such as `8080-<id>.example.com`. */
export function findTarget(request: IncomingMessage): Target | undefined {
  const sandboxId = headerOf(request, headers.e2bSandboxId);
  if (sandboxId !== undefined) {
    return {
      sandboxId: bareId(sandboxId),
      port: parsePort(headerOf(request, headers.e2bSandboxPort) ?? ''),
    };
  }
  const [, port, id] = hostPattern.exec(request.headers.host ?? '') ?? [];
  return port && id ? { sandboxId: id.toLowerCase(), port: parsePort(port) } : undefined;
}

/** Names of a domain that are the host's own. */
const ownNames: ReadonlySet<string> = new Set(['api', 'sandbox']);

/**
 * The target of a host name under the domain that names neither a sandbox nor the host itself: one that is nowhere, so
 * that the control plane does not answer in its place.
 */
export function nowhere(host: string | undefined, domain: string | undefined): Target | undefined {
  if (host === undefined || domain === undefined) return undefined;
  const [name = '', suffix = ''] = [host, domain].map((one) => one.replace(/:\d+$/, '').toLowerCase());
  if (!name.endsWith(`.${suffix}`)) return undefined;
  const label = name.slice(0, -suffix.length - 1);
  return ownNames.has(label) ? undefined : { sandboxId: label, port: 80 };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new HostError(400, `"${text}" is not a port; the header ${headers.e2bSandboxPort} must hold one.`);
  }
  return port;
}

import type { IncomingMessage } from 'node:http';
import { headers } from '@sandpiper/protocol';
import { HostError } from '../errors.js';
import { headerOf } from '../http.js';

/** Which port of which sandbox a request is for. */
export interface Target {
  sandboxId: string;
  port: number;
}

const hostPattern = /^(\d{1,5})-([a-z0-9]+)\./;

/** Reads the target from E2B's headers, else from a host name such as `8080-<id>.example.com`. */
export function findTarget(request: IncomingMessage): Target | undefined {
  const sandboxId = headerOf(request, headers.e2bSandboxId);
  if (sandboxId !== undefined) {
    return { sandboxId, port: parsePort(headerOf(request, headers.e2bSandboxPort) ?? '') };
  }
  const [, port, id] = hostPattern.exec(request.headers.host ?? '') ?? [];
  return port && id ? { sandboxId: id, port: parsePort(port) } : undefined;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new HostError(400, `"${text}" is not a port; the header ${headers.e2bSandboxPort} must hold one.`);
  }
  return port;
}

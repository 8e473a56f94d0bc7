import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { headers } from '@sandpiper/protocol';
import type { Endpoint } from '../engines/engine.js';
import { type Envd, envdPort, isSigned } from '../envd/envd.js';
import { HostError } from '../errors.js';
import { headerOf, sendJson } from '../http.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';
import { createProxy, endToEnd } from './proxy.js';
import type { Target } from './target.js';

/** How long a port may take to open: a server that was just started needs a moment. */
const dialMs = 1_000;
const dialPauseMs = 25;

/** What callers say to the platform, not to the agent. */
const platformHeaders: ReadonlySet<string> = new Set([
  headers.e2bSandboxId,
  headers.e2bSandboxPort,
  headers.e2bTrafficAccessToken,
  'x-api-key',
]);

/** The door to the ports of sandboxes. */
export interface Gateway {
  handle(target: Target, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Finds the sandbox of a request that says nothing but a signature: the SDK's URLs on one address do so. */
  findBySignature(request: IncomingMessage): Target | undefined;
  upgrade(target: Target, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  close(): void;
}

export function createGateway(sandboxes: SandboxManager, envd: Envd): Gateway {
  const proxy = createProxy();

  /** Finds where to connect, waiting a moment for a port to open. */
  async function dial(sandbox: Sandbox, port: number): Promise<Endpoint> {
    for (const deadline = Date.now() + dialMs; ; ) {
      const endpoint = await sandbox.engine.dial(port);
      if (endpoint) return endpoint;
      if (Date.now() >= deadline) throw new PortClosedError();
      await new Promise((resolve) => setTimeout(resolve, dialPauseMs));
    }
  }

  function outgoingHeaders(sandbox: Sandbox, port: number, request: IncomingMessage): string[] {
    const mask = sandbox.settings.network.maskRequestHost;
    const dropped = mask ? new Set([...platformHeaders, 'host']) : platformHeaders;
    const kept = endToEnd(request.rawHeaders, dropped);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: E2B's placeholder looks so.
    if (mask) kept.push('Host', mask.replaceAll('${PORT}', String(port)));
    const chunked = request.headers['transfer-encoding'] !== undefined;
    if (chunked) kept.push('Transfer-Encoding', 'chunked');
    return kept;
  }

  /** The sandbox, running and open to the caller; a paused one that may wake by itself is woken first. */
  async function admit(target: Target, request: IncomingMessage): Promise<Sandbox> {
    const sandbox = sandboxes.find(target.sandboxId);
    if (!sandbox) throw new NotRunningError();
    if (target.port !== envdPort && sandbox.trafficToken !== undefined) {
      const given = headerOf(request, headers.e2bTrafficAccessToken) ?? '';
      const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
      if (!timingSafeEqual(digest(given), digest(sandbox.trafficToken))) {
        throw new HostError(
          403,
          `The sandbox takes no requests without the header ${headers.e2bTrafficAccessToken}.`,
        );
      }
    }
    if (sandbox.isPaused) {
      // In E2B's words too, for which a paused sandbox is nowhere.
      if (!sandbox.settings.autoResume) throw new NotRunningError();
      // One at a time within the sandbox: the first resumes it, the others find it running.
      await sandbox.resume(sandbox.settings.timeoutMs);
    }
    return sandbox;
  }

  return {
    async handle(target, request, response) {
      try {
        const sandbox = await admit(target, request);
        if (target.port === envdPort) {
          await envd(sandbox, request, response);
          return;
        }
        const sent = outgoingHeaders(sandbox, target.port, request);
        const endpoint = await dial(sandbox, target.port);
        await proxy.forward(endpoint, request, response, sent);
      } catch (error) {
        refuse(response, target, error);
      }
    },
    async upgrade(target, request, socket, head) {
      try {
        const sandbox = await admit(target, request);
        const sent = outgoingHeaders(sandbox, target.port, request);
        sent.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? '');
        await proxy.upgrade(await dial(sandbox, target.port), request, socket, head, sent);
      } catch (error) {
        const { status, body } = refusal(target, error);
        const text = JSON.stringify(body);
        socket.end(
          `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
        );
      }
    },
    findBySignature(request) {
      if (!request.url?.startsWith('/files?')) return undefined;
      const signed = sandboxes.list().find((sandbox) => isSigned(sandbox, request));
      return signed && { sandboxId: signed.id, port: envdPort };
    },
    close: () => proxy.close(),
  };
}

class PortClosedError extends Error {}
class NotRunningError extends Error {}

function refuse(response: ServerResponse, target: Target, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, body } = refusal(target, error);
  // The rest of a body that nobody read would stand in the way of the next request.
  sendJson(response, status, body, { connection: 'close' });
}

/** E2B's own words: its SDK and its callers tell these cases apart by them. */
function refusal(target: Target, error: unknown): { status: number; body: Record<string, unknown> } {
  const { sandboxId, port } = target;
  if (error instanceof NotRunningError) {
    return { status: 502, body: { code: 502, sandboxId, message: 'The sandbox was not found' } };
  }
  if (HostError.isInstance(error)) {
    return { status: error.status, body: { code: error.status, sandboxId, message: error.message } };
  }
  if (error instanceof PortClosedError || isRefused(error)) {
    const message = 'The sandbox is running but port is not open';
    return { status: 502, body: { code: 502, sandboxId, port, message } };
  }
  return { status: 502, body: { code: 502, sandboxId, port, message: 'The sandbox closed the connection' } };
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

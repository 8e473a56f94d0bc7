import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { headers } from '@sandpiper/protocol';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { type Envd, envdPort } from '../envd/envd.js';
import type { GatewayDecision, GatewayEvents } from '../events/gateway-events.js';
import { headerOf } from '../http/messages.js';
import { sameSecret } from '../http/same-secret.js';
import type { Holder } from '../sandboxes/activity.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';
import { hasBody } from '../server/discard-body.js';
import { forward, StaleConnectionError } from './forward.js';
import type { GatewayTokens } from './gateway-tokens.js';
import { requestHeaders } from './headers.js';
import { NotRunningError, refuse, refuseUpgrade } from './refusal.js';
import { SignedUrls } from './signed-urls.js';
import type { Target } from './target.js';
import { upgrade } from './upgrade.js';
import { connectTo, Upstream } from './upstream.js';
import { WakeQueue } from './wake-queue.js';

/** Forwards requests to the ports of sandboxes. */
export interface Gateway {
  handle(target: Target, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Finds the sandbox of a request that says nothing but a signature: the SDK's URLs on one address do so. */
  findBySignature(request: IncomingMessage): Target | undefined;
  upgrade(target: Target, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  close(): void;
}

/** What a gateway works with. */
export interface GatewayOptions {
  sandboxes: SandboxManager;
  envd: Envd;
  tokens: GatewayTokens;
  events: GatewayEvents;
  /** The host's own key, which is nobody's in a sandbox. */
  apiKey: string;
}

export function createGateway({ sandboxes, envd, tokens, events, apiKey }: GatewayOptions): Gateway {
  const upstream = new Upstream();
  const wakeQueue = new WakeQueue();
  const signedUrls = new SignedUrls(sandboxes);

  /**
   * The sandbox, running and open to the caller; a paused one that may wake by itself is woken first. Until `answer`
   * is closed it is not idle.
   */
  async function admit(
    target: Target,
    request: IncomingMessage,
    answer: ServerResponse | Duplex,
  ): Promise<Sandbox> {
    const sandbox = sandboxes.find(target.sandboxId);
    if (!sandbox || sandbox.isEnding) throw new NotRunningError();
    if (target.port !== envdPort && sandbox.trafficToken !== undefined) {
      checkTrafficToken(request, sandbox.trafficToken);
    }
    const release = sandbox.activity.hold(kindOf(target, request), `${request.method} ${request.url}`);
    if (answer.destroyed) release();
    else answer.once('close', release);
    if (sandbox.isPaused) {
      // In E2B's words too, for which a paused sandbox is nowhere.
      if (!sandbox.wakesOnRequest) throw new NotRunningError();
      await hold(sandbox);
    }
    return sandbox;
  }

  async function hold(sandbox: Sandbox): Promise<void> {
    const begun = performance.now();
    let woken = false;
    events.emit('hold', sandbox.id);
    try {
      await wakeQueue.wake(sandbox);
      woken = true;
    } finally {
      events.emit('held', { sandboxId: sandbox.id, woken, elapsedMs: performance.now() - begun });
    }
  }

  function admitted(sandbox: Sandbox, { port }: Target): void {
    events.emit('decision', decisionAbout(sandbox, port, undefined));
  }

  function refused({ sandboxId, port }: Target, status: number | undefined): void {
    // Undefined when the answer had begun: that request was let in.
    if (status === undefined) return;
    events.emit('decision', decisionAbout(sandboxes.find(sandboxId), port, status));
  }

  return {
    async handle(target, request, response) {
      const begun = performance.now();
      try {
        const sandbox = await admit(target, request, response);
        if (target.port === envdPort) {
          await envd(sandbox, request, response);
          admitted(sandbox, target);
          return;
        }
        const sent = requestHeaders(request, {
          sandbox,
          port: target.port,
          token: await tokens.for(sandbox),
          apiKey,
        });
        const connection =
          upstream.takeFree(sandbox, target.port) ?? (await upstream.open(sandbox, target.port));
        // A caller that left while the sandbox woke up wants nothing done any more.
        if (response.destroyed) return connection.release(undefined);
        admitted(sandbox, target);
        const answered = (): void => {
          events.emit('answered', sandbox.id, performance.now() - begun);
        };
        const forwarding = { request, response, headers: sent, answered };
        try {
          await forward(connection, forwarding);
        } catch (error) {
          // Its server closed the connection when the request was on its way (RFC 9110, section 9.2.2).
          if (!(error instanceof StaleConnectionError && isRepeatable(request))) throw error;
          await forward(await upstream.open(sandbox, target.port), forwarding);
        }
      } catch (error) {
        refused(target, refuse(response, target, error));
      }
    },
    async upgrade(target, request, socket, head) {
      try {
        if (target.port === envdPort) throw new HostError(400, "The sandbox's own API speaks no WebSocket.");
        const sandbox = await admit(target, request, socket);
        const sent = requestHeaders(request, {
          sandbox,
          port: target.port,
          token: await tokens.for(sandbox),
          apiKey,
        });
        const connection = await connectTo(sandbox, target.port);
        if (socket.destroyed) {
          connection.destroy();
          return;
        }
        admitted(sandbox, target);
        await upgrade(connection, { request, socket, head, headers: sent });
      } catch (error) {
        refused(target, refuseUpgrade(socket, target, error));
      }
    },
    findBySignature(request) {
      const sandboxId = signedUrls.find(request);
      return sandboxId === undefined ? undefined : { sandboxId, port: envdPort };
    },
    close: () => upstream.close(),
  };
}

/** Whether a request does nothing that matters when it is done twice, and is still there to be sent again. */
function isRepeatable(request: IncomingMessage): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && !hasBody(request);
}

function decisionAbout(
  sandbox: Sandbox | undefined,
  port: number,
  refusal: number | undefined,
): GatewayDecision {
  const target = port === envdPort ? 'envd' : 'port';
  return { sandboxId: sandbox?.id, target, tokenId: sandbox?.tokenIds[target], refusal };
}

function kindOf(
  { port }: Target,
  { url = '', headers: { upgrade: other } }: IncomingMessage,
): Holder['kind'] {
  if (other !== undefined) return 'stream';
  return port === envdPort && url.startsWith('/process.Process/') ? 'command' : 'request';
}

/** @throws HostError 403 */
function checkTrafficToken(request: IncomingMessage, expected: string): void {
  const given = headerOf(request, headers.e2bTrafficAccessToken) ?? '';
  if (sameSecret(given, expected)) return;
  throw new HostError(
    403,
    `The sandbox takes no requests without the header ${headers.e2bTrafficAccessToken}.`,
  );
}

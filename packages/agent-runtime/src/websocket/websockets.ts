import { Cancellation } from '../cancellation/cancellation.js';
import { runInContext } from '../context/agent-runtime-context.js';
import { RequestContext } from '../context/request-context.js';
import { failureFields } from '../errors/describe-error.js';
import { unavailable } from '../errors/unavailable.js';
import type { Call } from '../http/call.js';
import type { Services } from '../invocation/services.js';
import { callerGone } from '../invocation/termination-reasons.js';
import type { AgentSocket, WebSocketHandler } from './agent-socket.js';

/** Runs the handler of `/ws` for each connection. */
export class WebSockets {
  handler: WebSocketHandler | undefined;
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** @throws RequestError 503 when the agent shuts down. */
  admit(): void {
    if (this.#services.work.isDraining) throw unavailable('The agent is shutting down.');
  }

  /** Serves one connection to its end. Never rejects. */
  async serve(socket: AgentSocket, call: Call): Promise<void> {
    const { handler } = this;
    const { work } = this.#services;
    const cancellation = new Cancellation();
    const context = new RequestContext(call, undefined, cancellation, this.#services);
    call.incoming.onGone(() => cancellation.cancel(callerGone()));
    // Going away (RFC 6455, section 7.4.1): tells a client that it may connect to another server.
    cancellation.onCancel(() => socket.close(1001));
    work.begin(cancellation);
    try {
      await runInContext(context, async () => handler?.(socket, context));
      socket.close();
    } catch (error) {
      if (!cancellation.reason) context.log.error(failureFields(error), 'The WebSocket handler failed.');
      socket.close(1011);
    } finally {
      work.end(cancellation);
    }
  }
}

import type { Logger } from '@sandpiper/protocol';
import { headers as headerNames } from '@sandpiper/protocol';
import type { ResolvedConfig } from '../config.js';
import { failureFields } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import type { Call } from './call.js';
import { corsHeaders } from './cors.js';
import { errorReply } from './envelope.js';
import type { Reply } from './reply.js';
import type { ReplyHeaders } from './response-headers.js';

/** What replies are finished with. */
export interface FinisherServices {
  readonly config: Pick<ResolvedConfig, 'responseFormat' | 'debug' | 'corsOrigins'>;
  readonly log: Logger;
  /** Names this process's run. */
  readonly instance: string;
}

/** The last step of every request: an error becomes a reply, and every reply says which request it belongs to. */
export class ReplyFinisher {
  readonly #services: FinisherServices;

  constructor(services: FinisherServices) {
    this.#services = services;
  }

  /** Adds the headers that every reply has. */
  finish(reply: Reply, call: Call): Reply {
    const common = [headerNames.requestId, call.requestId];
    if (call.incoming.header('origin') !== undefined) {
      common.push(...corsHeaders(call.incoming, this.#services.config.corsOrigins));
    }
    if (reply.kind === 'passed') dropNamed(common, reply.response.headers);
    reply.headers.push(...common, headerNames.invocationId, call.invocationId);
    reply.headers.push(headerNames.runtimeInstance, this.#services.instance);
    return reply;
  }

  /** Makes the reply for an error, and finishes it. */
  finishError(error: unknown, call: Call): Reply {
    return this.finish(this.#replyTo(error, call), call);
  }

  #replyTo(error: unknown, call: Call): Reply {
    const { responseFormat, debug } = this.#services.config;
    const { failure } = call;
    if (failure && failure.error === error) return failure.reply;
    const reply = errorReply(responseFormat, error, call, debug);
    // What the handler threw is logged where it ran; this is the fault of something around it.
    if (reply.status >= 500 && !RequestError.isInstance(error)) {
      this.#services.log.error(
        { request_id: call.requestId, ...failureFields(error) },
        'A request could not be answered.',
      );
    }
    return reply;
  }
}

/** Takes out of flat headers what a `Response` says itself. */
function dropNamed(flat: ReplyHeaders, named: Headers): void {
  for (let at = flat.length - 2; at >= 0; at -= 2) if (named.has(flat[at] ?? '')) flat.splice(at, 2);
}

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DescMessage, DescMethod, DescService, MessageInitShape } from '@bufbuild/protobuf';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { headerOf, sendJson } from '../../http/messages.js';
import { readBody } from '../../http/read-body.js';
import { type Codec, decode, encode } from './codec.js';
import { ConnectError } from './connect-error.js';
import { endFlag, envelope, tooLong } from './envelopes.js';
import { onlyMessage, readMessages } from './read-request.js';
import type { AnyHandler, CallContext, Handlers } from './service.js';

/** No message of these services needs more; files go another way. */
const messageBytes = 4 * 1024 * 1024;
/** The longest a timer can wait. */
const longestMs = 2 ** 31 - 1;

interface Procedure<Caller> {
  method: DescMethod;
  handle: AnyHandler<Caller>;
}

/** One call, and how its messages are written. */
interface Call<Caller> extends Procedure<Caller> {
  codec: Codec;
  request: IncomingMessage;
  response: ServerResponse;
  context: CallContext<Caller>;
}

const contentTypes: Record<string, { streams: boolean; codec: Codec }> = {
  'application/json': { streams: false, codec: 'json' },
  'application/proto': { streams: false, codec: 'proto' },
  'application/connect+json': { streams: true, codec: 'json' },
  'application/connect+proto': { streams: true, codec: 'proto' },
};

/**
 * Serves services over the Connect protocol (https://connectrpc.com/docs/protocol) as far as E2B's SDKs speak it:
 * by POST, without compression, and without streams both ways.
 */
export class ConnectServer<Caller> {
  readonly #procedures = new Map<string, Procedure<Caller>>();

  constructor(private readonly logger: Logger) {}

  service<Service extends DescService>(service: Service, handlers: Handlers<Service, Caller>): this {
    for (const method of service.methods) {
      const handle = handlers[method.localName as keyof typeof handlers] as AnyHandler<Caller>;
      this.#procedures.set(`/${service.typeName}/${method.name}`, { method, handle });
    }
    return this;
  }

  /** Answers a call. Never throws: whatever becomes of it is told to the caller. */
  async serve(
    caller: Caller,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const procedure = this.#procedures.get(path);
    if (!procedure) return sendJson(response, 404, { code: 404, message: 'There is no such path.' });
    if (request.method !== 'POST') {
      response.writeHead(405, { allow: 'POST' }).end();
      return;
    }
    const streams = procedure.method.methodKind !== 'unary';
    const type = contentTypes[request.headers['content-type']?.split(';')[0]?.toLowerCase() ?? ''];
    if (type?.streams !== streams) {
      const accepted = Object.keys(contentTypes).filter((name) => contentTypes[name]?.streams === streams);
      response.writeHead(415, { 'accept-post': accepted.join(', ') }).end();
      return;
    }
    const ending = new AbortController();
    response.once('close', () => ending.abort(new Error('The caller has gone.')));
    let timer: NodeJS.Timeout | undefined;
    try {
      const timeoutMs = timeoutOf(request);
      if (timeoutMs !== undefined) {
        const late = new ConnectError('The caller waits no longer.', 'deadline_exceeded');
        timer = setTimeout(() => ending.abort(late), Math.min(timeoutMs, longestMs));
      }
      const context = { caller, headers: request.headers, timeoutMs, signal: ending.signal };
      const call = { ...procedure, codec: type.codec, request, response, context };
      await (streams ? answerStream(call) : answerOnce(call));
    } catch (error) {
      if (!response.destroyed) refuse(response, error, { ...type, logger: this.logger });
    } finally {
      clearTimeout(timer);
    }
  }
}

async function answerOnce<Caller>({
  method,
  handle,
  codec,
  request,
  response,
  context,
}: Call<Caller>): Promise<void> {
  if ((headerOf(request, 'content-encoding') ?? 'identity') !== 'identity') {
    throw new ConnectError('Messages must not be compressed.', 'unimplemented');
  }
  const message = decode(codec, method.input, await readBody(request, messageBytes, tooLong));
  const answer = encode(codec, method.output, (await handle(message, context)) as Init);
  response
    .writeHead(200, { 'content-type': `application/${codec}`, 'content-length': Buffer.byteLength(answer) })
    .end(answer);
}

type Init = MessageInitShape<DescMessage>;

/** A method one of whose sides is a stream: what is answered is written as one, too. */
async function answerStream<Caller>({
  method,
  handle,
  codec,
  request,
  response,
  context,
}: Call<Caller>): Promise<void> {
  const write = async (answer: Init): Promise<void> => {
    if (!response.headersSent) beginStream(response, codec);
    if (response.write(envelope(0, encode(codec, method.output, answer)))) return;
    await once(response, 'drain', { signal: context.signal });
  };
  if (method.methodKind === 'client_streaming') {
    const messages = readMessages(request, messageBytes);
    const decoded = (async function* () {
      for await (const message of messages) yield decode(codec, method.input, message);
    })();
    await write((await handle(decoded, context)) as Init);
  } else {
    const message = onlyMessage(await readBody(request, messageBytes, tooLong), messageBytes);
    const answers = handle(decode(codec, method.input, message), context) as AsyncIterable<Init>;
    for await (const answer of answers) await write(answer);
  }
  context.signal.throwIfAborted();
  response.end(envelope(endFlag, '{}'));
}

function beginStream(response: ServerResponse, codec: Codec): void {
  // Nginx would hold the messages back until there are many.
  response.writeHead(200, { 'content-type': `application/connect+${codec}`, 'x-accel-buffering': 'no' });
}

function refuse(
  response: ServerResponse,
  error: unknown,
  { streams, codec, logger }: { streams: boolean; codec: Codec; logger: Logger },
): void {
  const refusal = ConnectError.from(error);
  // A disk that is full is the sandbox's own affair.
  const isFull = (HostError.isInstance(error) ? error : shortageOf(error))?.status === 507;
  if (refusal.code === 'internal' && !isFull)
    logger.error({ err: error }, 'A call of the in-sandbox API failed');
  if (!streams) {
    sendJson(response, refusal.status, refusal, refusal.status === 429 ? { 'retry-after': '1' } : {});
    return;
  }
  if (!response.headersSent) beginStream(response, codec);
  response.end(envelope(endFlag, JSON.stringify({ error: refusal })));
}

/** @throws ConnectError */
function timeoutOf(request: IncomingMessage): number | undefined {
  const text = headerOf(request, 'connect-timeout-ms');
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new ConnectError('Connect-Timeout-Ms must be a number of milliseconds.', 'invalid_argument');
}

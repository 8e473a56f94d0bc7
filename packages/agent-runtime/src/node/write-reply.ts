import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import type { BodyReply, PassedReply, Reply } from '../http/reply.js';
import { fromResponse } from '../http/response-headers.js';
import { NodeSink } from './node-sink.js';

/** Puts a reply on the socket: streams are written straight to it, with no web stream between. */
export function writeReply(reply: Reply, request: IncomingMessage, response: ServerResponse): void {
  switch (reply.kind) {
    case 'body':
      // RFC 9110, section 8.6: what has no body by its status has no length either.
      if (reply.status !== 204) reply.headers.push('content-length', String(Buffer.byteLength(reply.body)));
      if (request.complete || !hasBody(request)) answer(reply, response);
      // A body that came with its head is read by then.
      else
        setImmediate(() =>
          request.complete ? answer(reply, response) : answerEarly(reply, request, response),
        );
      return;
    case 'stream':
      response.writeHead(reply.status, reply.headers);
      // An agent may think long before its first value; the caller shall know that it was accepted.
      response.flushHeaders();
      reply.open(new NodeSink(response));
      return;
    case 'passed':
      writePassed(reply, response).catch(() => response.destroy());
  }
}

async function writePassed(reply: PassedReply, response: ServerResponse): Promise<void> {
  const { body, status } = reply.response;
  try {
    response.writeHead(status, [...reply.headers, ...fromResponse(reply.response)]);
    if (body) await pipeline(Readable.fromWeb(body as WebReadableStream), response);
    else response.end();
  } catch {
    // The caller left, or the body broke off: neither must look like a clean end.
    response.destroy();
  }
}

function answer({ status, headers, body }: BodyReply, response: ServerResponse): void {
  response.writeHead(status, headers).end(body);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** How long a caller may go on sending a body that nobody wants. */
const lingerMs = 1000;

/**
 * Answers while the body is still coming. Closing at once would reset the connection under the answer, and
 * keeping it would leave it half-read: so the rest is read and dropped for a while, then the connection is closed.
 */
function answerEarly(reply: BodyReply, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(reply.status, [...reply.headers, 'connection', 'close']);
  response.write(reply.body);
  const timer = setTimeout(() => response.end(), lingerMs);
  request.once('close', () => {
    clearTimeout(timer);
    response.end();
  });
  request.resume();
}

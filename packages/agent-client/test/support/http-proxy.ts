import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { listen } from './agent-server.js';

/** Passes a request on, and its response back when it comes. */
export type Pass = (onResponse?: (response: IncomingMessage) => void) => void;

/**
 * A proxy that speaks HTTP, for one test.
 *
 * @param upstream - Where a request goes.
 * @param handle - What becomes of a request; it may pass it on.
 * @returns its address.
 */
export function httpProxy(
  upstream: (request: IncomingMessage) => string,
  handle: (request: IncomingMessage, response: ServerResponse, pass: Pass) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    handle(request, response, (onResponse) => {
      const passed = send(upstream(request) + url, { method, headers }, (answer) => {
        onResponse?.(answer);
        if (response.headersSent || response.destroyed) return void answer.resume();
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => response.destroy());
        answer.pipe(response);
      });
      passed.on('error', () => response.destroy());
      response.on('close', () => passed.destroy());
      request.pipe(passed);
    });
  });
  return listen(server);
}

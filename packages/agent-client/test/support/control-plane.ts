import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { json, listen } from './agent-server.js';

/** One request to the control plane. */
export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

/** What a control plane says. */
export interface Said {
  status: number;
  body: unknown;
}

/**
 * A control plane in front of a real one, for a test: it may answer in the other's stead, or change what the other says.
 *
 * @param answer - `ask` passes the request on.
 * @returns its address.
 */
export function controlPlaneBefore(
  apiUrl: string,
  answer: (asked: Asked, ask: () => Promise<Said>) => Said | Promise<Said>,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '' } = request;
    const sent = await text(request);
    const ask = async (): Promise<Said> => {
      const answered = await fetch(apiUrl + path, {
        method,
        headers: {
          'x-api-key': String(request.headers['x-api-key']),
          ...(sent !== '' && { 'content-type': 'application/json' }),
        },
        ...(sent !== '' && { body: sent }),
      });
      const body = await answered.text();
      return { status: answered.status, body: body === '' ? undefined : JSON.parse(body) };
    };
    const body = sent === '' ? undefined : JSON.parse(sent);
    const said = await answer({ method, path, body }, ask);
    if (said.body === undefined) response.writeHead(said.status).end();
    else json(response, said.status, said.body);
  });
  return listen(server);
}

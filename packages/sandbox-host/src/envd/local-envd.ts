import { STATUS_CODES } from 'node:http';
import type { LocalServer } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { envdPort } from './envd.js';
import { readState, type StateResponse } from './sandbox-state.js';

const requestLine = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.[01]$/;

/**
 * The part of envd that programs in a sandbox reach at `localhost:49983`: its state, and that alone. Commands and
 * files are for callers outside: a program has its own, and through these it could become another user.
 */
export function localEnvd(sandbox: Sandbox, logger: Logger): LocalServer {
  return {
    port: envdPort,
    respond: async (head) => {
      const [first = '', ...fields] = head.split(/\r?\n/);
      const [, method, target = ''] = requestLine.exec(first) ?? [];
      const response = await answer(
        sandbox,
        { method, target, token: fieldValue(fields, 'x-access-token') },
        logger,
      );
      return encode(response, method === 'HEAD');
    },
  };
}

interface LocalRequest {
  method: string | undefined;
  target: string;
  token: string | undefined;
}

async function answer(
  sandbox: Sandbox,
  { method, target, token }: LocalRequest,
  logger: Logger,
): Promise<StateResponse> {
  if (method === undefined) return refusal(400, 'The request is not one of HTTP/1.1.');
  if (method !== 'GET' && method !== 'HEAD') return refusal(405, `${method} is not among GET and HEAD.`);
  const [path = ''] = target.split('?');
  try {
    const state = await readState(sandbox, path, token);
    return state ?? refusal(404, `Inside a sandbox ${path} is not among /health, /envs and /metrics.`);
  } catch (error) {
    if (HostError.isInstance(error)) return refusal(error.status, error.message);
    logger.error({ err: error }, `A request to envd inside sandbox ${sandbox.id} failed`);
    return refusal(500, 'The sandbox host failed; its log says more.');
  }
}

function refusal(code: number, message: string): StateResponse {
  return { status: code, body: { code, message } };
}

/** One value of a header field. */
function fieldValue(fields: string[], name: string): string | undefined {
  const field = fields.find((line) => line.toLowerCase().startsWith(`${name}:`));
  return field?.slice(name.length + 1).trim();
}

function encode({ status, body }: StateResponse, isHead: boolean): string {
  const text = body === undefined ? '' : JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'cache-control: no-store',
    ...(status === 405 ? ['allow: GET, HEAD'] : []),
    ...(text ? ['content-type: application/json', `content-length: ${Buffer.byteLength(text)}`] : []),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${isHead ? '' : text}`;
}

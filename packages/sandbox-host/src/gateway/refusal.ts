import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { envdPort } from '../envd/envd.js';
import { refuseOn, sendJson } from '../http/messages.js';
import { refusalPage } from './refusal-page.js';
import type { Target } from './target.js';
import { PortClosedError } from './upstream.js';

/** The sandbox is not there, or, in E2B's words, as good as not there. */
export class NotRunningError extends Error {}

/**
 * Answers a request that cannot be handed on; one whose answer has begun is cut instead.
 *
 * @returns the status it was refused with.
 */
export function refuse(response: ServerResponse, target: Target, error: unknown): number | undefined {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return undefined;
  }
  const { status, headers, body, title } = refusal(target, error);
  if (title !== undefined && target.port !== envdPort && isBrowser(response.req)) {
    const page = refusalPage(title, String(body.message), target);
    response
      .writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
      .end(page);
  } else sendJson(response, status, body, headers);
  return status;
}

/** The same on a connection that was to change protocols. */
export function refuseUpgrade(socket: Duplex, target: Target, error: unknown): number {
  const { status, headers, body } = refusal(target, error);
  refuseOn(socket, status, String(body.message), { body, headers });
  return status;
}

interface Refusal {
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
  /** Of the page that browsers are shown instead; undefined where there is none. */
  title?: string;
}

/** As E2B tells them. */
function isBrowser({ headers }: IncomingMessage): boolean {
  return /mozilla/i.test(headers['user-agent'] ?? '');
}

/** E2B's own words: its SDK and its callers tell these cases apart by them. */
function refusal({ sandboxId, port }: Target, cause: unknown): Refusal {
  const error = shortageOf(cause) ?? cause;
  // What the sandbox's own API does not find is another matter.
  const isGone = HostError.isInstance(error) && error.status === 404 && port !== envdPort;
  if (HostError.isInstance(error) && !isGone) {
    const { status, message } = error;
    const headers: Record<string, string> = status === 503 ? { 'retry-after': '1' } : {};
    // The sandbox's own API answers as if nobody stood before it.
    const whose = port === envdPort ? {} : { sandboxId };
    return { status, headers, body: { code: status, ...whose, message } };
  }
  const bad = (title: string, body: Record<string, unknown>): Refusal => ({
    status: 502,
    headers: {},
    body: { code: 502, sandboxId, ...body },
    title,
  });
  if (error instanceof NotRunningError || isGone) {
    return bad('Sandbox Not Found', { message: 'The sandbox was not found' });
  }
  if (error instanceof PortClosedError || isRefused(error)) {
    return bad('Closed Port Error', { port, message: 'The sandbox is running but port is not open' });
  }
  return bad('Connection Closed', { port, message: 'The sandbox closed the connection' });
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

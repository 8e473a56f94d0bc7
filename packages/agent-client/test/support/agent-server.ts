import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { ClientConfig } from '../../src/client-config.js';
import { callSettings, transportOptions } from '../../src/client-config.js';
import type { AgentTarget } from '../../src/invocation/agent-lease.js';
import { AgentStream } from '../../src/invocation/agent-stream.js';
import { Call } from '../../src/invocation/call.js';
import { acceptAnswer, acceptStream, type CallOptions } from '../../src/invocation/call-options.js';
import { invoke } from '../../src/invocation/invoke.js';
import type { InvocationInput } from '../../src/invocation/request.js';
import type { InvocationResponse } from '../../src/invocation/response.js';
import { createTransport } from '../../src/transport/create-transport.js';
import type { Transport } from '../../src/transport/transport.js';

/** A request as a test's agent got it. */
export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** An agent on a real socket that answers as a test says, and calls to it. */
export interface TestAgent {
  seen: SeenRequest[];
  target: AgentTarget;
  released: number;
  invoke(input: InvocationInput, options?: CallOptions): Promise<InvocationResponse>;
  stream(input: InvocationInput, options?: CallOptions): AgentStream;
}

/** Options of {@link testAgent}. */
export interface TestAgentOptions {
  config?: ClientConfig;
  timeoutMs?: number;
  /** What the agent is known as from a ping; undefined for a foreign agent. */
  runtimeInstance?: string;
  sandboxId?: string;
  recover?: () => Promise<void>;
  transport?: Transport;
  /** Whether the test's agent answers for an invocation's events, too. Default: it knows of none, as a runtime says it. */
  hasEvents?: boolean;
}

/** Starts a server for one test, and a call's way to it; both are gone when the test is. */
export async function testAgent(
  answer: (request: SeenRequest, response: ServerResponse, attempt: number) => void,
  options: TestAgentOptions = {},
): Promise<TestAgent> {
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const one = { method, path: url, headers, body: await text(request) };
    seen.push(one);
    // What each response of a runtime has; it says so beside the runtime's own name only.
    const [, ofPath] = /^\/invocations\/([^/]+)/.exec(url) ?? [];
    response.setHeader('x-invocation-id', ofPath ?? String(headers['idempotency-key']));
    if (method === 'GET' && url.endsWith('/events') && !options.hasEvents) {
      const refusal = { error: 'unknown', error_type: 'not_found' };
      return json(response, 404, refusal, { 'x-runtime-instance': 'one' });
    }
    answer(one, response, seen.filter((other) => other.method === 'POST').length);
  });
  return connect(await listen(server), seen, options);
}

/** The way of calls to an agent that listens somewhere. */
export function connect(origin: string, seen: SeenRequest[], options: TestAgentOptions): TestAgent {
  const { config = {}, sandboxId = 'sandbox1' } = options;
  const transport = options.transport ?? createTransport(transportOptions(config));
  onTestFinished(() => transport.close());
  const agent: TestAgent = {
    seen,
    released: 0,
    target: {
      sandboxId,
      transport,
      endpoint: { origin, basePath: '', headers: { 'x-sandbox-id': sandboxId } },
      runtimeInstance: options.runtimeInstance,
      recover: options.recover ?? (async () => {}),
    },
    invoke: (input, call = {}) => invoke(begin(input, call, acceptAnswer)),
    stream: (input, call = {}) => new AgentStream(begin(input, call, acceptStream), (value) => value),
  };
  const settings = callSettings({ retryDelayMs: 1, ...config }, options.timeoutMs ?? 15_000);
  const lease = async () => ({
    target: agent.target,
    release: async () => {
      agent.released += 1;
    },
  });
  const begin = (input: InvocationInput, call: CallOptions, accept: string): Call =>
    new Call(lease, input, settings, call, accept);
  return agent;
}

/** Listens on a free port until the test is over. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers with JSON. The envelope of a runtime, which names itself, names the invocation, too. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  const metadata = { invocation_id: response.getHeader('x-invocation-id') };
  const isEnvelope = 'x-runtime-instance' in headers && 'result' in Object(body) && 'status' in Object(body);
  response.end(JSON.stringify(isEnvelope ? { metadata, ...Object(body) } : body));
}

/** Begins to answer with server-sent events, resumable ones on demand. */
export function sse(response: ServerResponse, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...headers });
}

/** Headers of our own runtime's resumable stream. */
export const resumable = { 'x-stream-protocol': 'resumable-1', 'x-runtime-instance': 'one' };

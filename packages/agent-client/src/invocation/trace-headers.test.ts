import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { afterEach, expect, test } from 'vitest';
import { json, type TestAgent, testAgent } from '../../test/support/agent-server.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

afterEach(() => {
  context.disable();
  propagation.disable();
});

/** Calls an agent from within a span. */
async function traced(headers?: Record<string, string>): Promise<TestAgent> {
  const agent = await testAgent((_, response) => json(response, 200, 1));
  const span = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
  await context.with(span, () => agent.invoke('x', headers && { headers }));
  return agent;
}

test('a call goes on with the trace of its caller', async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const agent = await traced();
  expect(agent.seen[0]?.headers.traceparent).toBe(`00-${traceId}-${spanId}-01`);
  const own = `00-${traceId}-00f067aa0ba902b7-01`;
  expect((await traced({ traceparent: own })).seen[0]?.headers.traceparent).toBe(own);
});

test('a caller who does not trace sends nothing of it', async () => {
  expect((await traced()).seen[0]?.headers.traceparent).toBeUndefined();
});

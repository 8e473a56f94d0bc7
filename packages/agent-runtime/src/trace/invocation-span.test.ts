import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';

const exporter = new InMemorySpanExporter();

beforeAll(() => {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});

beforeEach(() => exporter.reset());

afterAll(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

describe('a trace', () => {
  eachServer('goes on from the caller through the handler to what it calls', async (serve) => {
    const send = await serve(
      agent(async () => {
        await Promise.resolve();
        const outgoing: Record<string, string> = {};
        propagation.inject(context.active(), outgoing);
        return outgoing.traceparent;
      }),
    );
    const { result } = await json(await send('/invocations', post({}, { traceparent, 'x-request-id': 'r' })));
    const [span] = exporter.getFinishedSpans();
    expect(span?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(span?.attributes).toEqual({ 'agent.request_id': 'r', 'agent.invocation_id': 'r' });
    expect(result).toBe(`00-${traceId}-${span?.spanContext().spanId}-01`);
  });

  eachServer('covers a stream to its end, and its failure', async (serve) => {
    const send = await serve(
      agent(async function* () {
        yield trace.getActiveSpan()?.spanContext().traceId;
        throw new RangeError('far');
      }),
    );
    const text = await (await send('/invocations', post({}, { traceparent }))).text();
    expect(text).toContain(`data: "${traceId}"`);
    const [span] = exporter.getFinishedSpans();
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'far' });
    expect(span?.events[0]?.name).toBe('exception');
  });
});

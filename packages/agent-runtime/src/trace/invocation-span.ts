import {
  context,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Call } from '../http/call.js';

/** The trace span of one invocation. */
export interface InvocationSpan {
  /** Runs a function, so that what it traces belongs to the invocation. */
  within<T>(run: () => T): T;
  end(error?: Error): void;
}

const scope = '@sandpiper/agent-runtime';

/**
 * Begins a span under the caller's trace context (W3C Trace Context), or gives undefined where no OpenTelemetry SDK
 * is installed, so that those who do not trace do not pay.
 */
export function startSpan(call: Call): InvocationSpan | undefined {
  const provider = trace.getTracerProvider();
  if (provider instanceof ProxyTracerProvider && !provider.getDelegateTracer(scope)) return undefined;
  const parent = propagation.extract(ROOT_CONTEXT, call.incoming.headers());
  const attributes = { 'agent.request_id': call.requestId, 'agent.invocation_id': call.invocationId };
  const span = provider
    .getTracer(scope)
    .startSpan('agent.invocation', { kind: SpanKind.SERVER, attributes }, parent);
  const within = trace.setSpan(parent, span);
  return {
    within: (run) => context.with(within, run),
    end: (error) => {
      if (error) {
        span.recordException(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      }
      span.end();
    },
  };
}

import { context, propagation } from '@opentelemetry/api';

/** The caller's trace context (W3C Trace Context) as headers; none where no OpenTelemetry SDK is installed. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

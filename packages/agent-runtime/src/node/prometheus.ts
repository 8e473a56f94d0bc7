import type { Gauges, Metrics } from '../metrics/metrics.js';

/** Seconds; agents take from milliseconds to minutes. */
const buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** Measures with prom-client. What the agent itself puts into prom-client's default registry is rendered too. */
export async function prometheusMetrics(gauges: Gauges): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry, register } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];
  // Counted here, for what is counted most: a counter with labels puts its key together at each call.
  let succeeded = 0;
  const ends = new Counter({
    name: 'agent_runtime_invocations_total',
    help: 'Invocations that ended, by how and by error type.',
    labelNames: ['outcome', 'error_type'],
    registers,
    collect() {
      this.inc({ outcome: 'succeeded', error_type: '' }, succeeded);
      succeeded = 0;
    },
  });
  const duration = new Histogram({
    name: 'agent_runtime_invocation_duration_seconds',
    help: 'Time from the request to the end of its invocation.',
    buckets,
    registers,
  });
  const firstByte = new Histogram({
    name: 'agent_runtime_time_to_first_byte_seconds',
    help: 'Time from the request to the first byte of its answer.',
    buckets,
    registers,
  });
  let values = 0;
  new Counter({
    name: 'agent_runtime_stream_events_total',
    help: 'Values that streams carried.',
    registers,
    collect() {
      this.reset();
      this.inc(values);
    },
  });
  gauge('agent_runtime_active', 'Invocations and background tasks that run.', gauges.active);
  gauge('agent_runtime_idempotency_entries', 'Invocations that are remembered.', gauges.idempotencyEntries);
  gauge(
    'agent_runtime_idempotency_bytes',
    'Bytes of results and events that are remembered.',
    gauges.idempotencyBytes,
  );

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  const errorTypes = new Set<string>();
  return {
    ended: (state, errorType, seconds) => {
      if (errorType === undefined) succeeded++;
      else ends.labels(state, bounded(errorTypes, errorType)).inc();
      duration.observe(seconds);
    },
    answered: (seconds) => firstByte.observe(seconds),
    streamed: () => {
      values++;
    },
    render: async () => {
      const all = Registry.merge([registry, register]);
      return { contentType: all.contentType, text: await all.metrics() };
    },
  };
}

/** A handler names its errors as it likes; a label may not have any number of values. */
const mostErrorTypes = 50;

function bounded(known: Set<string>, errorType: string): string {
  if (!known.has(errorType) && known.size >= mostErrorTypes) return 'other';
  known.add(errorType);
  return errorType;
}

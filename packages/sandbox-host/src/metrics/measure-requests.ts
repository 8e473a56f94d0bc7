import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ApiEvents } from '../events/api-events.js';
import type { GatewayEvents } from '../events/gateway-events.js';

/** Seconds; a request for a port may wait for a sandbox to wake up, or for an agent that thinks. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Measures the requests to the control plane and those for sandboxes. */
export function measureRequests(registry: Registry, api: ApiEvents, gateway: GatewayEvents): void {
  const registers = [registry];
  const refusals = new Counter({
    name: 'sandbox_host_refusals_total',
    help: 'Requests that were refused, by target and status.',
    labelNames: ['target', 'status'],
    registers,
  });
  const apiDuration = new Histogram({
    name: 'sandbox_host_api_request_seconds',
    help: 'Time the control plane took for a request.',
    buckets,
    registers,
  });
  const admitted = new Counter({
    name: 'sandbox_host_gateway_requests_total',
    help: 'Requests that were let into sandboxes, by target.',
    labelNames: ['target'],
    registers,
  });
  const firstByte = new Histogram({
    name: 'sandbox_host_gateway_first_byte_seconds',
    help: 'Time from a request for a port to the first byte of its answer.',
    buckets,
    registers,
  });
  const holds = new Histogram({
    name: 'sandbox_host_gateway_hold_seconds',
    help: 'Time requests waited for a sandbox to wake up.',
    buckets,
    registers,
  });
  let held = 0;
  new Gauge({
    name: 'sandbox_host_gateway_held_requests',
    help: 'Requests that wait for a sandbox to wake up.',
    registers,
    collect() {
      this.set(held);
    },
  });

  api.on('decision', ({ status, elapsedMs }) => {
    apiDuration.observe(elapsedMs / 1000);
    if (status >= 400) refusals.inc({ target: 'api', status });
  });
  // Looked up once: these are on every request's way.
  const letIn = { port: admitted.labels('port'), envd: admitted.labels('envd') };
  gateway.on('decision', ({ target, refusal }) => {
    if (refusal === undefined) letIn[target].inc();
    else refusals.inc({ target, status: refusal });
  });
  gateway.on('answered', (_, elapsedMs) => firstByte.observe(elapsedMs / 1000));
  gateway.on('hold', () => {
    held += 1;
  });
  gateway.on('held', ({ elapsedMs }) => {
    held -= 1;
    holds.observe(elapsedMs / 1000);
  });
}

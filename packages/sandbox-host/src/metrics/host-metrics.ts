import { Registry } from 'prom-client';
import type { ApiEvents } from '../events/api-events.js';
import type { GatewayEvents } from '../events/gateway-events.js';
import type { LifecycleEvents } from '../events/lifecycle-events.js';
import type { PoolStatus } from '../pools/pool.js';
import { measurePools } from './measure-pools.js';
import { measureProcess } from './measure-process.js';
import { measureRequests } from './measure-requests.js';
import { measureSandboxes } from './measure-sandboxes.js';

/** What is measured. */
export interface MetricSources {
  api: ApiEvents;
  gateway: GatewayEvents;
  lifecycle: LifecycleEvents;
  pools: () => PoolStatus[];
}

/** All metrics of one host as Prometheus text, and its content type. */
export interface HostMetrics {
  render(): Promise<{ contentType: string; text: string }>;
}

/** Measures a host from what it tells, each host in a registry of its own. */
export function createHostMetrics({ api, gateway, lifecycle, pools }: MetricSources): HostMetrics {
  const registry = new Registry();
  measureSandboxes(registry, lifecycle, gateway);
  measureRequests(registry, api, gateway);
  measurePools(registry, pools);
  measureProcess(registry);
  return {
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

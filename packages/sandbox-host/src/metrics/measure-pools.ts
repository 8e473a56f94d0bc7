import { Counter, Gauge, type Registry } from 'prom-client';
import type { PoolStatus } from '../pools/pool.js';
import { boundedLabels } from './bounded-labels.js';

/** Measures how well pools serve. */
export function measurePools(registry: Registry, pools: () => PoolStatus[]): void {
  const registers = [registry];
  const bounded = boundedLabels();
  new Gauge({
    name: 'sandbox_host_pool_sandboxes',
    help: 'Sandboxes that wait ready or are being started, and how many there should be.',
    labelNames: ['template', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { template, ready, starting, target } of pools()) {
        const name = bounded(template);
        this.inc({ template: name, state: 'ready' }, ready);
        this.inc({ template: name, state: 'starting' }, starting);
        this.inc({ template: name, state: 'target' }, target);
      }
    },
  });
  new Gauge({
    name: 'sandbox_host_pool_paused',
    help: '1 while a pool starts no sandboxes, since starting them failed again and again.',
    labelNames: ['template'],
    registers,
    collect() {
      this.reset();
      for (const { template, pausedUntil } of pools())
        this.inc({ template: bounded(template) }, pausedUntil ? 1 : 0);
    },
  });
  new Counter({
    name: 'sandbox_host_pool_requests_total',
    help: 'Sandboxes that came from a pool (hit), had to be started although there is one (miss), or could not be made for it (failure).',
    labelNames: ['template', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const { template, hits, misses, failures } of pools()) {
        const name = bounded(template);
        this.inc({ template: name, outcome: 'hit' }, hits);
        this.inc({ template: name, outcome: 'miss' }, misses);
        this.inc({ template: name, outcome: 'failure' }, failures);
      }
    },
  });
}

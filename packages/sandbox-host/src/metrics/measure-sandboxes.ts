import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { GatewayEvents } from '../events/gateway-events.js';
import type { LifecycleEvents, SandboxFacts, SandboxState } from '../events/lifecycle-events.js';
import { boundedLabels } from './bounded-labels.js';
import { SavedMemory } from './saved-memory.js';

/** Seconds; from a pool it is a millisecond, a large agent takes half a minute. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Measures how many sandboxes there are, how they are made and what they do. */
export function measureSandboxes(
  registry: Registry,
  lifecycle: LifecycleEvents,
  gateway: GatewayEvents,
): void {
  const registers = [registry];
  const bounded = boundedLabels();
  const known = new Map<string, SandboxFacts & { state: SandboxState }>();
  const saved = new SavedMemory();
  /** Those that have not been asked anything yet. */
  const unasked = new Set<string>();

  new Gauge({
    name: 'sandbox_host_sandboxes',
    help: 'Sandboxes by state and template.',
    labelNames: ['state', 'template'],
    registers,
    collect() {
      this.reset();
      for (const { state, template, listed } of known.values()) {
        if (listed) this.inc({ state, template: bounded(template) });
      }
    },
  });
  const phases = new Histogram({
    name: 'sandbox_host_create_phase_seconds',
    help: 'Time the parts of making a sandbox took, and its agent for the first byte of its first answer.',
    labelNames: ['phase'],
    buckets,
    registers,
  });
  const steps = new Counter({
    name: 'sandbox_host_transitions_total',
    help: 'Steps of sandboxes from one state to another, by the new state and the cause.',
    labelNames: ['state', 'cause'],
    registers,
  });
  new Counter({
    name: 'sandbox_host_saved_memory_byte_seconds_total',
    help: 'Memory that sleeping sandboxes gave back, times how long.',
    registers,
    collect() {
      this.reset();
      this.inc(saved.total());
    },
  });
  const oomKills = new Counter({
    name: 'sandbox_host_oom_kills_total',
    help: 'Processes that were killed because their sandbox had no memory left.',
    registers,
  });

  lifecycle.on('adopted', (sandbox, state) => known.set(sandbox.id, { ...sandbox, state }));
  lifecycle.on('phase', ({ phase, elapsedMs }) => phases.observe({ phase }, elapsedMs / 1000));
  lifecycle.on('measured', (id, memoryBytes) => saved.measured(id, memoryBytes));
  lifecycle.on('outOfMemory', (_, processes) => oomKills.inc(processes));
  lifecycle.on('transition', ({ sandbox, event, to, cause }) => {
    if (to === 'gone') known.delete(sandbox.id);
    else known.set(sandbox.id, { ...sandbox, state: to });
    if (event === 'created') unasked.add(sandbox.id);
    if (to === 'gone') unasked.delete(sandbox.id);
    saved.observe(sandbox.id, to);
    if (sandbox.listed) steps.inc({ state: to, cause });
  });
  const firstByte = phases.labels('first_byte');
  gateway.on('answered', (id, elapsedMs) => {
    if (unasked.delete(id)) firstByte.observe(elapsedMs / 1000);
  });
}

import type { Logger } from '@sandpiper/protocol';
import type { ResolvedConfig } from '../config.js';
import type { Metrics } from '../metrics/metrics.js';
import { Tasks } from '../work/tasks.js';
import { Work } from '../work/work.js';
import { IdempotencyStore } from './idempotency/idempotency-store.js';
import type { Outcome } from './outcome.js';

/** What invocations share: the parts of the app that they run in. */
export interface Services {
  readonly config: ResolvedConfig;
  readonly idempotencyStore: IdempotencyStore<Outcome>;
  readonly work: Work;
  readonly tasks: Tasks;
  readonly log: Logger;
  /** There once the app has started, where the platform has metrics and they are wanted. */
  metrics: Metrics | undefined;
  /** Names this process's run; new at each start. */
  readonly instance: string;
}

/** Makes the parts of an app that runs with this configuration. */
export function createServices(config: ResolvedConfig, log: Logger): Services {
  const work = new Work();
  let instance: string | undefined;
  return {
    config,
    log,
    work,
    idempotencyStore: new IdempotencyStore(config.retention),
    tasks: new Tasks(work, log),
    metrics: undefined,
    // Made when it is first asked for: Workers give no random numbers before the first request.
    get instance() {
      instance ??= crypto.randomUUID();
      return instance;
    },
  };
}

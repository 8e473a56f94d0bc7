import type { ResolvedConfig } from '../config.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Tasks } from '../work/tasks.js';
import type { Work } from '../work/work.js';
import type { Ledger } from './ledger/ledger.js';
import type { Outcome } from './outcome.js';

/** What invocations share: the parts of the app that they run in. */
export interface Services {
  readonly config: ResolvedConfig;
  readonly ledger: Ledger<Outcome>;
  readonly work: Work;
  readonly tasks: Tasks;
  readonly log: Logger;
  /** There once the app has started, where the platform has metrics and they are wanted. */
  metrics: Metrics | undefined;
  /** Names this process's run; new at each start. */
  readonly instance: string;
}

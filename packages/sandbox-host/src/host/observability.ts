import { join } from 'node:path';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { AuditLog } from '../audit/audit-log.js';
import { recordDecisions } from '../audit/record-decisions.js';
import { verifyAudit } from '../audit/verify-audit.js';
import { auditRoutes } from '../control-plane/audit/audit-routes.js';
import { metricsRoutes } from '../control-plane/metrics/metrics-routes.js';
import type { Route } from '../control-plane/route.js';
import type { ApiEvents } from '../events/api-events.js';
import type { GatewayEvents } from '../events/gateway-events.js';
import type { LifecycleEvents } from '../events/lifecycle-events.js';
import type { MachineEvents } from '../events/machine-events.js';
import { createHostMetrics } from '../metrics/host-metrics.js';
import type { PoolStatus } from '../pools/pool.js';
import { namedFileError } from '../storage/named-file-error.js';

/** Where the audit log and the metrics get their facts. */
export interface ObservabilitySources {
  /** Where the log is kept. */
  directory: string;
  logger: Logger;
  api: ApiEvents;
  gateway: GatewayEvents;
  lifecycle: LifecycleEvents;
  machine: MachineEvents;
  pools: () => PoolStatus[];
  /** Whether the metrics can be read without the API key. */
  openMetrics: boolean;
}

/** The audit log and the metrics, and the routes by which they are read. */
export interface Observability {
  routes: Route[];
  close(): void;
}

/** Opens the audit log and starts to measure. */
export async function openObservability(sources: ObservabilitySources): Promise<Observability> {
  const { directory, logger, openMetrics } = sources;
  const log = await AuditLog.open(directory, logger).catch((error: unknown) => {
    throw namedFileError(join(directory, 'audit.jsonl'), error);
  });
  const stopRecording = recordDecisions(log, sources);
  const verify = async (): ReturnType<typeof verifyAudit> => {
    const verdict = await verifyAudit(directory);
    // A file that is put aside while it is read looks like one that is missing.
    return verdict.valid ? verdict : verifyAudit(directory);
  };
  return {
    routes: [...auditRoutes(log, verify), ...metricsRoutes(createHostMetrics(sources), openMetrics)],
    close() {
      stopRecording();
      log.close();
    },
  };
}

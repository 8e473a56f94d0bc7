import { auditRoutes } from './api/audit-routes.js';
import { metricsRoutes } from './api/metrics-routes.js';
import type { Route } from './api/route.js';
import type { ApiEvents } from './api-events.js';
import { AuditLog } from './audit/audit-log.js';
import { recordDecisions } from './audit/record-decisions.js';
import { verifyAudit } from './audit/verify-audit.js';
import type { GatewayEvents } from './gateway/gateway-events.js';
import type { MachineEvents } from './machine-events.js';
import { createHostMetrics } from './metrics/host-metrics.js';
import type { PoolStatus } from './pool/pool.js';
import type { LifecycleEvents } from './sandboxes/lifecycle-events.js';

/** What evidence is taken from. */
export interface EvidenceSources {
  /** Where the log is kept. */
  directory: string;
  api: ApiEvents;
  gateway: GatewayEvents;
  lifecycle: LifecycleEvents;
  machine: MachineEvents;
  pools: () => PoolStatus[];
  /** Whether the metrics can be read without the API key. */
  openMetrics: boolean;
}

/** What a host has decided and done, and the routes by which that is read. */
export interface Evidence {
  routes: Route[];
  close(): void;
}

/** Begins to write down what a host decides, and to measure what it does. */
export async function takeEvidence(sources: EvidenceSources): Promise<Evidence> {
  const { directory, openMetrics } = sources;
  const log = await AuditLog.open(directory);
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

import { AuditLog } from '../audit/audit-log.js';
import { recordDecisions } from '../audit/record-decisions.js';
import { verifyAudit } from '../audit/verify-audit.js';
import { auditRoutes } from '../control-plane/audit/audit-routes.js';
import { metricsRoutes } from '../control-plane/metrics/metrics-routes.js';
import type { Route } from '../control-plane/route.js';
import type { ApiEvents } from '../events/api-events.js';
import type { GatewayEvents } from '../events/gateway-events.js';
import type { MachineEvents } from '../events/machine-events.js';
import { createHostMetrics } from '../metrics/host-metrics.js';
import type { PoolStatus } from '../pools/pool.js';
import type { LifecycleEvents } from '../sandboxes/lifecycle-events.js';

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

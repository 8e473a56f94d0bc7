export type { LogFunction, Logger } from '@sandpiper/protocol';
export type { Capabilities, Capability, Enforcement } from '@sandpiper/sandbox-engine/engine';
export { type AuditProblem, type AuditVerdict, verifyAudit } from './audit/verify-audit.js';
export { createSandboxHost, type SandboxHost } from './host/create-host.js';
export type { SandboxHostOptions } from './host/host-options.js';
export type { Isolation } from './host/open-engine.js';
export type { PoolOption } from './pools/pools.js';
export type { IdlePolicy } from './sandboxes/deadlines.js';
export type { TlsCertificate } from './server/certificate.js';

export { type AuditProblem, type AuditVerdict, verifyAudit } from './audit/verify-audit.js';
export type { Capabilities, Capability, Enforcement } from './engines/engine.js';
export type { Isolation } from './engines/process/process-engine.js';
export { createSandboxHost, type SandboxHost, type SandboxHostOptions } from './host.js';
export type { TlsCertificate } from './listener/certificate.js';
export type { PoolOption } from './pool/pools.js';

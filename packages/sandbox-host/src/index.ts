export type { Capabilities, Capability, Enforcement } from './engines/engine.js';
export type { Isolation } from './engines/process/process-engine.js';
export { createSandboxHost, type SandboxHost, type SandboxHostOptions } from './host.js';
export type { TlsCertificate } from './listener/certificate.js';

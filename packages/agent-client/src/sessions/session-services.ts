import type { CallSettings } from '../invocation/call-options.js';
import type { Platform } from '../platform/platform.js';
import type { TemplateManager } from '../templates/template-manager.js';
import type { Transport } from '../transport/transport.js';
import type { SandboxApi } from './sandbox-api.js';

/** What the sessions of one client share. */
export interface SessionServices {
  platform: Platform;
  sandboxes: SandboxApi;
  templates: TemplateManager;
  transport: Transport;
  calls: CallSettings;
  /** How long an agent may take to become ready, in milliseconds, where its own configuration does not say. */
  readyTimeoutMs: number;
}

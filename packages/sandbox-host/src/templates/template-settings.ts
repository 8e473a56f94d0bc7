import { defaultSettings, type SandboxSettings } from '../sandboxes/sandbox-settings.js';
import type { TemplateCatalog } from './template-catalog.js';
import { diskOf, restrictEgress } from './template-policy.js';

/** How a sandbox of a template is when its caller asks for nothing more. */
export function templateSettings({
  template,
  build,
  result,
}: ReturnType<TemplateCatalog['resolve']>): SandboxSettings {
  return {
    ...defaultSettings,
    ...restrictEgress(template, { network: {}, allowInternetAccess: undefined }),
    templateId: template.templateID,
    alias: template.names[0],
    envs: { ...result.envs },
    workdir: result.workdir,
    user: result.user,
    cpuCount: build.cpuCount,
    memoryMB: build.memoryMB,
    diskMB: diskOf(template, build),
    start: result.startCmd ? { startCmd: result.startCmd, readyCmd: result.readyCmd } : undefined,
  };
}

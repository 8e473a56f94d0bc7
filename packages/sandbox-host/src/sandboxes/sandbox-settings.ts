import { defaultDiskMB } from '@sandpiper/sandbox-engine/disk-limit';
import type { NetworkPolicy } from '@sandpiper/sandbox-engine/engine';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import type { MountedVolume } from '@sandpiper/sandbox-engine/volumes';
import type { SandboxFacts } from '../events/lifecycle-events.js';

/** What may reach a sandbox and what it may reach, as it was asked for. */
export interface NetworkRules {
  allowOut?: string[] | undefined;
  denyOut?: string[] | undefined;
  /** Whether its ports are open to every caller that knows its id. Default: true. */
  allowPublicTraffic?: boolean | undefined;
  /** The `Host` header requests arrive with in the sandbox; `${PORT}` stands for the port. */
  maskRequestHost?: string | undefined;
  /** Ports whose servers are asked over TLS, whatever their certificate. */
  httpsPorts?: number[] | undefined;
}

/** What it may reach, as the engine is told; everything when nothing is said. */
export function networkPolicy({
  network,
  allowInternetAccess,
}: Pick<SandboxSettings, 'network' | 'allowInternetAccess'>): NetworkPolicy {
  return {
    internet: allowInternetAccess ?? true,
    allowOut: network.allowOut ?? [],
    denyOut: network.denyOut ?? [],
  };
}

/** A server that is started in each new sandbox, and the command that tells when it is ready. */
export interface StartCommand {
  startCmd: string;
  readyCmd?: string | undefined;
}

/** A volume in a sandbox, and under which name it was asked for. */
export interface SandboxVolume extends MountedVolume {
  name: string;
}

/** How a sandbox is to be. */
export interface SandboxSettings {
  templateId: string;
  /** The name the template was asked for by. */
  alias?: string | undefined;
  metadata: Record<string, string>;
  /** Environment of every command: the template's, then the caller's. */
  envs: Record<string, string>;
  /** Where commands run that do not say where. */
  workdir: string;
  /** As whom commands run that do not say. */
  user: SandboxUser;
  timeoutMs: number;
  /** Whether the timeout pauses it instead of ending it. */
  autoPause: boolean;
  /** Whether that pause keeps its processes, and not only its files. */
  autoPauseMemory: boolean;
  autoResume: boolean;
  network: NetworkRules;
  allowInternetAccess?: boolean | undefined;
  volumes: SandboxVolume[];
  /** Whether calls into the sandbox need its token. */
  secure: boolean;
  cpuCount: number;
  memoryMB: number;
  diskMB: number;
  /** The server that is started in it, if the template has one. */
  start?: StartCommand | undefined;
  /** Whether it is somebody's, or the host's own for making a template. */
  listed: boolean;
}

/** How a sandbox is when nothing else is said. */
export const defaultSettings: Omit<SandboxSettings, 'templateId'> = {
  metadata: {},
  envs: {},
  workdir: '/home/user',
  user: 'user',
  timeoutMs: 300_000,
  autoPause: false,
  autoPauseMemory: true,
  autoResume: false,
  network: {},
  volumes: [],
  secure: true,
  cpuCount: 2,
  memoryMB: 512,
  diskMB: defaultDiskMB,
  listed: true,
};

/** What events say of a sandbox. */
export function factsOf(id: string, { alias, templateId, listed }: SandboxSettings): SandboxFacts {
  return { id, template: alias ?? templateId, listed };
}

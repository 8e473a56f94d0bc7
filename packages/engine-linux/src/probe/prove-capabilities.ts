import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Capabilities, Capability, EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { supervisorScript } from '../supervisor/supervisor-script.js';
import { attemptScript, escapeAttempts } from './attempts.js';
import { keepFindings, recallFindings } from './probe-cache.js';
import { type Findings, probe } from './probe-sandbox.js';

/** After this long what has not been proven is not claimed. */
const timeoutMs = 30_000;

/** What {@link proveCapabilities} needs. */
export interface ProofOptions {
  /** What ought to hold on this machine. */
  described: Capabilities;
  /** Makes a sandbox with `probeOptions`. */
  start: () => Promise<EngineSandbox>;
  /** A directory of the host that no sandbox sees. */
  directory: string;
}

/**
 * Lets a sandbox try what must not be possible, and lowers whatever it disproves. What was found is kept for as long
 * as the machine runs, so that only the first host pays for it; what one sandbox disproves, only if another does, too,
 * since what goes wrong once on a busy machine is not to be held against it until it starts again.
 */
export async function proveCapabilities(options: ProofOptions): Promise<Capabilities> {
  const { described } = options;
  if (described.isolation.level === 'absent') return described;
  const key = cacheKey(described);
  const known = await recallFindings(key);
  if (known) return lower(described, known);
  try {
    const first = await probeInTime(options);
    const second = disproved(first).length > 0 ? await probeInTime(options) : first;
    // How much memory goes out hangs on what else the machine does at the moment, also twice in a row.
    const lasts = second.hibernate === undefined && String(disproved(second)) === String(disproved(first));
    if (lasts) await keepFindings(key, second);
    return lower(lower(described, first), second);
  } catch (error) {
    return withdraw(described, error instanceof Error ? error.message : String(error));
  }
}

async function probeInTime({ described, start, directory }: ProofOptions): Promise<Findings> {
  const secret = join(directory, 'probe-secret');
  await writeFile(secret, randomBytes(16).toString('hex'), { mode: 0o644 });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the probe took more than ${timeoutMs / 1000} s`)), timeoutMs);
  });
  const starting = start();
  try {
    const sandbox = await Promise.race([starting, late]);
    return await Promise.race([probe(described, sandbox, secret), late]);
  } finally {
    clearTimeout(timer);
    const destroyed = starting.then(
      (sandbox) => sandbox.destroy(),
      () => {},
    );
    await Promise.race([destroyed, new Promise((resolve) => setTimeout(resolve, 5_000).unref())]);
    await rm(secret, { force: true });
  }
}

/** The same findings are to be expected where all of this is the same. */
function cacheKey(described: Capabilities): string {
  const parts = [
    readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFileSync('/proc/self/cgroup', 'utf8'),
    ...['mnt', 'pid', 'net', 'user'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)),
    process.execPath,
    // What this version of the host does, and what it tries.
    supervisorScript,
    attemptScript(escapeAttempts('')),
    described,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

function disproved(findings: Findings): string[] {
  return Object.entries(findings)
    .flatMap(([name, reason]) => (reason === undefined ? [] : [name]))
    .sort();
}

function lower(described: Capabilities, findings: Findings): Capabilities {
  return mapCapabilities(described, (capability, name) => {
    const reason = findings[name];
    return reason === undefined ? capability : { level: 'absent', reason };
  });
}

/** Nothing is claimed that was not proven. */
function withdraw(described: Capabilities, why: string): Capabilities {
  return mapCapabilities(described, (capability) =>
    capability.level === 'enforced'
      ? { level: 'advisory', reason: `${capability.reason}; not proven: ${why}` }
      : capability,
  );
}

function mapCapabilities(
  capabilities: Capabilities,
  change: (capability: Capability, name: keyof Capabilities) => Capability,
): Capabilities {
  const { isolation, limits, disk, network, freeze, hibernate, checkpoint } = capabilities;
  return {
    isolation: change(isolation, 'isolation'),
    limits: change(limits, 'limits'),
    disk: change(disk, 'disk'),
    network: change(network, 'network'),
    freeze: change(freeze, 'freeze'),
    hibernate: change(hibernate, 'hibernate'),
    checkpoint: change(checkpoint, 'checkpoint'),
  };
}

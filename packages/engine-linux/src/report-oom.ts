import type { EngineProcess, ExitStatus } from '@sandpiper/sandbox-engine/engine';
import type { ControlGroup } from './control-groups/control-group.js';

/** Says of a process that was killed without the host having asked whether memory had run out meanwhile. */
export async function reportOom(
  group: ControlGroup | undefined,
  start: () => Promise<EngineProcess>,
): Promise<EngineProcess> {
  const before = group?.oomKills() ?? 0;
  const process = await start();
  let killedByHost = false;
  const report = (status: ExitStatus): ExitStatus => {
    // A shell that survives what it has run says 128 and the signal (POSIX, 2.8.2).
    const killed = status.signal === 'SIGKILL' || status.code === 128 + 9;
    if (!group || killedByHost || !killed || group.oomKills() === before) return status;
    return { ...status, outOfMemory: true };
  };
  return {
    ...process,
    ended: process.ended.then(report),
    kill(signal) {
      killedByHost ||= signal === 'SIGKILL';
      return process.kill(signal);
    },
  };
}

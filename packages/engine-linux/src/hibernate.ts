import type { Hibernation } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { ControlGroup } from './control-groups/control-group.js';

const passes = 4;

/** Freezes a sandbox and pushes its memory out to swap. @throws HostError 501 where there is no group to do it. */
export async function hibernate(group: ControlGroup | undefined, signal?: AbortSignal): Promise<Hibernation> {
  if (!group?.jobs.memory) {
    throw new HostError(501, 'This host cannot hibernate sandboxes: it cannot make memory control groups.');
  }
  await group.freeze();
  const residentBytesBefore = group.residentBytes();
  let residentBytesAfter = residentBytesBefore;
  // What is still being written when the kernel passes by stays; it goes with the next pass.
  for (let pass = 0; pass < passes && !signal?.aborted; pass++) {
    const before = residentBytesAfter;
    await group.pushOut(signal);
    residentBytesAfter = group.residentBytes();
    if (residentBytesAfter > before * 0.9) break;
  }
  return { residentBytesBefore, residentBytesAfter };
}

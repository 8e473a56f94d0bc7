import { HostError } from '../../errors.js';
import type { Hibernation } from '../engine.js';
import type { ControlGroup } from './control-groups/control-group.js';

/** Freezes a sandbox and pushes its memory out to swap. @throws HostError 501 where there is no group to do it. */
export async function hibernate(group: ControlGroup | undefined, signal?: AbortSignal): Promise<Hibernation> {
  if (!group?.jobs.memory) {
    throw new HostError(501, 'This host cannot hibernate sandboxes: it cannot make memory control groups.');
  }
  await group.freeze();
  const residentBytesBefore = group.residentBytes();
  await group.pushOut(signal);
  return { residentBytesBefore, residentBytesAfter: group.residentBytes() };
}

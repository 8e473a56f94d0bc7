import { headers } from '@sandpiper/protocol';
import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import * as z from 'zod';
import type { SandboxSettings } from '../../sandboxes/sandbox-settings.js';

const memorySchema = z.coerce
  .number()
  .int()
  .min(128)
  .max(1024 * 1024);
const cpuSchema = z.coerce.number().min(0.01).max(64);

/**
 * The limits that the caller wants for this sandbox, in place of its template's. Our own extension, in headers, because
 * E2B's SDK sends no fields but its own.
 *
 * @throws HostError 400 for limits that are none, and for any where this host enforces none.
 */
export function requestedLimits(
  header: (name: string) => string | undefined,
  { limits }: Capabilities,
): Partial<Pick<SandboxSettings, 'memoryMB' | 'cpuCount'>> {
  const memoryMB = read(header, headers.sandboxMemoryMB, memorySchema);
  const cpuCount = read(header, headers.sandboxCpuCount, cpuSchema);
  if ((memoryMB ?? cpuCount) !== undefined && limits.level !== 'enforced')
    throw new HostError(400, `This host cannot limit a sandbox: ${limits.reason}.`);
  return { ...(memoryMB !== undefined && { memoryMB }), ...(cpuCount !== undefined && { cpuCount }) };
}

function read(
  header: (name: string) => string | undefined,
  name: string,
  schema: z.ZodType<number>,
): number | undefined {
  const text = header(name);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HostError(400, `header ${name}: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
}

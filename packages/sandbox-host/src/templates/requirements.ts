import type { Capabilities, Enforcement } from '@sandpiper/sandbox-engine/engine';
import * as z from 'zod';

const least: z.ZodOptional<z.ZodEnum<{ enforced: 'enforced'; advisory: 'advisory' }>> = z
  .enum(['enforced', 'advisory'])
  .optional();

/** What a template needs of the host it runs on, as it is written in the template's metadata. */
export type Requirements = { [name in keyof Capabilities]?: 'enforced' | 'advisory' | undefined };

/** Checks {@link Requirements} that come from somewhere else. */
export const requirementsSchema: z.ZodType<Requirements> = z.strictObject({
  isolation: least,
  limits: least,
  disk: least,
  network: least,
  freeze: least,
  hibernate: least,
  checkpoint: least,
});

const order: Record<Enforcement, number> = { absent: 0, advisory: 1, enforced: 2 };

/** What is required and not enforced here, a sentence each with the reason. */
export function unmetRequirements(requirements: Requirements, capabilities: Capabilities): string[] {
  return (Object.entries(requirements) as [keyof Capabilities, Enforcement | undefined][]).flatMap(
    ([name, wanted]) => {
      const { level, reason } = capabilities[name];
      if (wanted === undefined || order[level] >= order[wanted]) return [];
      return [`The template requires ${name} to be ${wanted}; on this host it is ${level}: ${reason}.`];
    },
  );
}

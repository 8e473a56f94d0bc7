import * as z from 'zod';

/** The names of schemas in the OpenAPI document. Not zod's global registry, which others in this process may use, too. */
export const schemaNames: z.core.$ZodRegistry<{ id: string }> = z.registry<{ id: string }>();

/** A moment in a response; JSON writes a Date as such a text. */
export const moment: z.ZodType<string | Date> = z.iso.datetime({ offset: true });

/** A refusal, as E2B has them. */
export const errorSchema: z.ZodType<{ code: number; message: string }> = z
  .object({ code: z.int(), message: z.string() })
  .register(schemaNames, { id: 'Error' });

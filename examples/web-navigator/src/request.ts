import * as z from 'zod';

/** What is to be done with one page. */
export const requestSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
  /** A CSS selector to wait for before anything is read. */
  waitFor: z.string().min(1).max(1_000).optional(),
  /** What is wanted of the page, in this order. */
  want: z
    .array(z.enum(['text', 'links', 'screenshot']))
    .max(3)
    .default(['text']),
  /** CSS selectors whose elements are wanted. */
  selectors: z.array(z.string().min(1).max(1_000)).max(16).default([]),
  /** Whether a screenshot is of the whole page, to 10,000 pixels. */
  fullPage: z.boolean().default(false),
  /** How long the page may take, all in all. */
  timeoutMs: z.int().min(100).max(120_000).default(30_000),
});

export type PageRequest = z.output<typeof requestSchema>;

import { HostError } from '@sandpiper/sandbox-engine/host-error';
import * as z from 'zod';

/** Which page of a list a caller wants. */
export interface PageQuery {
  limit: number;
  nextToken?: string | undefined;
}

/** The fields of a query by which a page is asked for. */
export const pageFields: { limit: z.ZodType<number>; nextToken: z.ZodOptional<z.ZodString> } = {
  limit: z.coerce.number().int().min(1).max(100).default(100),
  nextToken: z.string().optional(),
};

/** One page of a list, and in the header `x-next-token` where the next begins. */
export function page<T, View>(
  items: T[],
  query: PageQuery,
  id: (item: T) => string,
  view: (item: T) => View,
): { body: View[]; headers: Record<string, string> } {
  const from = query.nextToken === undefined ? 0 : items.findIndex((item) => id(item) === query.nextToken);
  if (from < 0) throw new HostError(400, 'query.nextToken: does not belong to this list any more.');
  const next = items[from + query.limit];
  return {
    body: items.slice(from, from + query.limit).map(view),
    headers: next ? { 'x-next-token': id(next) } : {},
  };
}

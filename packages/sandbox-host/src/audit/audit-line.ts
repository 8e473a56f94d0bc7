import { createHash } from 'node:crypto';
import * as z from 'zod';

/** One decision, as it is told to the log. */
export interface AuditEntry {
  /** Who asked: an id of a key or token, from which it cannot be had; `host`, or `anonymous`. */
  actor: string;
  action: string;
  outcome: string;
  sandbox?: string | undefined;
  /** The request it was decided for. */
  request?: string | undefined;
  /** How many of the same there were besides the one that was written before. Default: it is one. */
  count?: number | undefined;
  /** Why, in words. */
  reason?: string | undefined;
  /** When it was decided. Default: when it is written. */
  time?: string | undefined;
}

/** One line of the log: a decision, its place, and what ties it to the line before. */
export interface AuditLine extends AuditEntry {
  /** 1 for the first ever written. */
  seq: number;
  time: string;
  /** The hash of the line before; of nothing for the first. */
  prev: string;
  /** SHA-256 of the line's own text without this field. */
  hash: string;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const lineSchema: z.ZodType<AuditLine> = z.object({
  seq: z.int().min(1),
  time: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  outcome: z.string(),
  sandbox: z.string().optional(),
  request: z.string().optional(),
  count: z.int().optional(),
  reason: z.string().optional(),
  prev: hash,
  hash,
});

/** Where a chain stands. */
export interface ChainEnd {
  seq: number;
  hash: string;
}

/** Before the first line. */
export const beginning: ChainEnd = { seq: 0, hash: '0'.repeat(64) };

/** How much of each text is kept: callers choose some of them. */
const longestText = 500;
const suffix = /,"hash":"([0-9a-f]{64})"\}$/;

/** Writes the line that follows `end`, without its line break. */
export function formatLine(entry: AuditEntry, end: ChainEnd): { text: string; end: ChainEnd } {
  const seq = end.seq + 1;
  const short = (text: string | undefined): string | undefined => text?.slice(0, longestText);
  const body = JSON.stringify({
    seq,
    time: entry.time ?? new Date().toISOString(),
    actor: short(entry.actor),
    action: short(entry.action),
    sandbox: short(entry.sandbox),
    outcome: short(entry.outcome),
    request: short(entry.request),
    count: entry.count,
    reason: short(entry.reason),
    prev: end.hash,
  });
  const own = sha256(body);
  return { text: `${body.slice(0, -1)},"hash":"${own}"}`, end: { seq, hash: own } };
}

/** Reads a line; undefined when it is none. Whether it is the one that was written, {@link isAsWritten} tells. */
export function parseLine(text: string): AuditLine | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Whether not one character of a line has been changed. */
export function isAsWritten(text: string): boolean {
  const stated = suffix.exec(text)?.[1];
  return stated !== undefined && sha256(`${text.replace(suffix, '')}}`) === stated;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

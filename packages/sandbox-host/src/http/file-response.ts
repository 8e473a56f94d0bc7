import type { IncomingHttpHeaders } from 'node:http';
import type { OpenFile } from '@sandpiper/sandbox-engine/files';
import { getMimeType } from 'hono/utils/mime';

/** How the content of a file is to be answered. */
export interface FileResponse {
  status: 200 | 206 | 304 | 416;
  headers: Record<string, string>;
  /** The bytes that are wanted, first and last; undefined for all. */
  range: { start: number; end: number } | undefined;
}

/**
 * Decides what a GET or HEAD of a file is answered with (RFC 9110, sections 13 and 14): one range of bytes, nothing when
 * the caller has it, or all of it. Several ranges in one are answered with all, as the RFC allows.
 */
export function fileResponse(
  request: IncomingHttpHeaders,
  { size, modifiedAt }: Pick<OpenFile, 'size' | 'modifiedAt'>,
  name: string,
): FileResponse {
  // Dates of HTTP have no parts of seconds.
  const modified = Math.floor(modifiedAt.getTime() / 1000) * 1000;
  const headers = {
    'content-type': getMimeType(name) ?? 'application/octet-stream',
    'content-disposition': `inline; filename*=utf-8''${encodeURIComponent(name)}`,
    'last-modified': new Date(modified).toUTCString(),
    'accept-ranges': 'bytes',
    // What a sandbox has made is no page of this host's.
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  };
  const since = Date.parse(request['if-modified-since'] ?? '');
  if (request['if-none-match'] === undefined && modified <= since)
    return { status: 304, headers, range: undefined };
  const all: FileResponse = { status: 200, headers, range: undefined };
  // A file that is made as it is read has no size, and so no ranges.
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(request.range ?? '') ?? [];
  if (size === 0 || (from === '' && to === '')) return all;
  const unchanged = request['if-range']?.toString();
  if (unchanged !== undefined && Date.parse(unchanged) !== modified) return all;
  const start = from === '' ? Math.max(size - Number(to), 0) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  // The other way round it is no range (section 14.1.1).
  if (from !== '' && to !== '' && Number(to) < Number(from)) return all;
  if (start > end)
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` }, range: undefined };
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end}/${size}` },
    range: { start, end },
  };
}

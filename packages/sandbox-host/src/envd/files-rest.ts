import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import busboy from '@fastify/busboy';
import type { FileEntry } from '@sandpiper/sandbox-engine/files';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import * as z from 'zod';
import { discardUnread } from '../http/discard-unread.js';
import { fileResponse } from '../http/file-response.js';
import { sendJson } from '../http/messages.js';
import { readJson } from '../http/read-body.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { parseUser, resolvePath } from './paths.js';

/** The most files of one multipart upload. */
const filesPerUpload = 1_000;

/** `GET /files`: the content of a file. */
export async function download(
  sandbox: Sandbox,
  path: string,
  user: SandboxUser,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const file = await sandbox.engine.files.read(resolvePath(path, user, sandbox));
  const { status, headers, range } = fileResponse(request.headers, file, path.split('/').at(-1) ?? 'file');
  const zip = status === 200 && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') && file.size > 1024;
  const length = range ? range.end - range.start + 1 : status === 416 ? 0 : file.size;
  response.writeHead(status, {
    ...headers,
    ...(zip ? { 'content-encoding': 'gzip', vary: 'accept-encoding' } : {}),
    // One that says it is empty may be made as it is read, or have grown.
    ...(zip || status === 304 || (status === 200 && length === 0) ? {} : { 'content-length': length }),
  });
  if (request.method === 'HEAD' || status === 304 || status === 416) {
    await file.close();
    response.end();
  } else if (zip) await pipeline(file.stream(), createGzip({ level: 1 }), response);
  else await pipeline(file.stream(range), response);
}

/** `POST /files`: one file as the body, or any number as a form. */
export async function upload(
  sandbox: Sandbox,
  path: string | undefined,
  user: SandboxUser,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const type = request.headers['content-type'] ?? '';
  const body = request.headers['content-encoding'] === 'gzip' ? unzip(request) : request;
  const { files } = sandbox.engine;
  const metadata = metadataOf(request);
  const write = async (to: string, content: Readable): Promise<FileEntry> =>
    discardUnread(content, (reader) => files.write(resolvePath(to, user, sandbox), reader, user, metadata));
  let written: FileEntry[];
  if (type.startsWith('multipart/form-data')) written = await writeForm(body, type, path, write);
  else if (path) {
    written = [
      await write(path, body).catch((error: unknown) => {
        throw uploadError(error);
      }),
    ];
  } else throw new HostError(400, 'The query parameter "path" is missing.');
  sendJson(
    response,
    200,
    written.map(({ name, path, metadata }) => ({ name, type: 'file', path, metadata })),
  );
}

async function writeForm(
  body: Readable,
  contentType: string,
  path: string | undefined,
  write: (to: string, content: Readable) => Promise<FileEntry>,
): Promise<FileEntry[]> {
  const parts: Readable[] = [];
  const writes: Promise<FileEntry>[] = [];
  let refusal: HostError | undefined;
  const form = openForm(contentType);
  form.on('file', (_field, content, filename) => {
    parts.push(content);
    // From the first moment: a form that ends in the middle is an error of its part, too.
    content.on('error', () => {});
    const to = path ?? filename;
    if (!to) {
      refusal ??= new HostError(400, 'A file of the form has no name and no "path" was given.');
      content.resume();
      return;
    }
    const writing = write(to, content);
    // Met when the form has ended.
    writing.catch(() => {});
    writes.push(writing);
  });
  form.on('filesLimit', () => {
    refusal ??= new HostError(400, `A form may hold at most ${filesPerUpload} files.`);
  });
  try {
    await pipeline(body, form);
  } catch (error) {
    for (const part of parts) part.destroy(new Error('The form was cut.'));
    refusal ??= HostError.isInstance(error)
      ? error
      : new HostError(400, 'The form could not be read to its end.', { cause: error });
  }
  const settled = await Promise.allSettled(writes);
  if (refusal) throw refusal;
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

function openForm(contentType: string): ReturnType<typeof busboy> {
  try {
    return busboy({
      headers: { 'content-type': contentType },
      preservePath: true,
      // A file is what E2B takes for one: what is called so, with a file name or without.
      isPartAFile: (field, _type, filename) => field === 'file' || filename !== undefined,
      limits: { files: filesPerUpload, fields: 10, fieldSize: 1024 },
    });
  } catch (cause) {
    throw new HostError(400, 'The content type of a form must name its boundary.', { cause });
  }
}

/** What a gzip body holds. */
function unzip(body: Readable): Readable {
  const content = createGunzip();
  // Its failure is reported to its reader.
  pipeline(body, content).catch(() => {});
  return content;
}

/** Says in the caller's terms that its gzip was none (zlib's errors are named so). */
function uploadError(error: unknown): unknown {
  const isZlib = error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
  return isZlib ? new HostError(400, 'The body is not the gzip it is said to be.', { cause: error }) : error;
}

const composeSchema = z.object({
  source_paths: z.array(z.string()).min(1).max(filesPerUpload),
  destination: z.string().min(1),
  username: z.string().optional(),
});

/** `POST /files/compose`: joins files into one and removes them. */
export async function compose(
  sandbox: Sandbox,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parsed = composeSchema.safeParse(await readJson(request));
  if (!parsed.success) throw new HostError(400, z.prettifyError(parsed.error));
  const user = parseUser(parsed.data.username, sandbox.settings.user);
  const { files } = sandbox.engine;
  const sources = parsed.data.source_paths.map((path) => resolvePath(path, user, sandbox));
  // A missing one is found before anything is written.
  for (const path of sources) await files.stat(path);
  async function* contents(): AsyncGenerator<Uint8Array> {
    for (const path of sources) yield* (await files.read(path)).stream();
  }
  const to = resolvePath(parsed.data.destination, user, sandbox);
  const { name, path } = await files.write(to, Readable.from(contents(), { objectMode: false }), user);
  for (const source of sources) if (source !== to) await files.remove(source);
  sendJson(response, 200, { name, type: 'file', path });
}

/** The SDK sends the metadata of a file in headers of this kind. */
const metadataPrefix = 'x-metadata-';
/** Limits of E2B's API: names of attributes have 255 bytes in Linux, and a file system may hold 4 kB for each file. */
const metadataNamespace = 'user.e2b.';
const maxMetadataKeyBytes = 246;
const maxMetadataBytes = 4096;

/** @throws HostError 400 for what E2B's API refuses. */
function metadataOf(request: IncomingMessage): Record<string, string> {
  const entries = Object.entries(request.headersDistinct).flatMap(([name, values]) =>
    name.startsWith(metadataPrefix) ? [[name.slice(metadataPrefix.length), values?.[0] ?? ''] as const] : [],
  );
  let bytes = 0;
  for (const [key, value] of entries) {
    const where = `The metadata key "${key}" (header X-Metadata-${key})`;
    if (key === '') throw new HostError(400, 'A metadata key is empty (header X-Metadata-).');
    if (key.length > maxMetadataKeyBytes)
      throw new HostError(
        400,
        `${where} has ${key.length} bytes; at most ${maxMetadataKeyBytes} are allowed.`,
      );
    if (!/^[ -~]*$/.test(value))
      throw new HostError(400, `${where} has a value with other characters than printable ASCII.`);
    bytes += metadataNamespace.length + key.length + value.length;
  }
  if (bytes > maxMetadataBytes)
    throw new HostError(
      400,
      `The metadata of the file has ${bytes} bytes, counting ${metadataNamespace.length} for each key; at most ${maxMetadataBytes} are allowed.`,
    );
  return Object.fromEntries(entries);
}

import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { discardUnread } from '../http/discard-unread.js';
import { newId } from '../sandboxes/identifiers.js';

/** The archives that COPY steps take their files from, by template and by the hash the SDK computed. */
export class UploadedFiles {
  constructor(
    private readonly directory: string,
    private readonly remove: (path: string) => Promise<void>,
  ) {}

  has(templateId: string, hash: string): boolean {
    return existsSync(this.#path(templateId, hash));
  }

  /** Keeps an archive; half of one is never seen. @throws HostError 507. */
  async put(templateId: string, hash: string, content: Readable): Promise<void> {
    const path = this.#path(templateId, hash);
    await mkdir(join(this.directory, templateId), { recursive: true });
    const part = `${path}.${newId()}`;
    try {
      await discardUnread(content, (reader) => pipeline(reader, createWriteStream(part)));
      await rename(part, path);
    } catch (error) {
      await this.remove(part);
      throw shortageOf(error) ?? error;
    }
  }

  /** The archive, unpacked if it was packed. @throws HostError 400 when it was never uploaded. */
  async open(templateId: string, hash: string): Promise<Readable> {
    const path = this.#path(templateId, hash);
    if (!existsSync(path)) throw new HostError(400, `The files ${hash} were not uploaded.`);
    const content = createReadStream(path);
    if (!(await isGzip(path))) return content;
    const unpacked = createGunzip();
    pipeline(content, unpacked).catch(() => {});
    return unpacked;
  }

  deleteTemplate(templateId: string): Promise<void> {
    return this.remove(join(this.directory, templateId));
  }

  #path(templateId: string, hash: string): string {
    if (!/^[0-9a-f]{16,128}$/.test(hash)) throw new HostError(400, 'The hash of files must be hexadecimal.');
    return join(this.directory, templateId, hash);
  }
}

/** RFC 1952, section 2.3.1. */
async function isGzip(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

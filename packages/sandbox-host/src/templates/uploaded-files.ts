import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError } from '../errors.js';
import { newId } from '../sandboxes/identifiers.js';

/** The archives that COPY steps take their files from, by template and by the hash the SDK computed. */
export class UploadedFiles {
  constructor(private readonly directory: string) {}

  has(templateId: string, hash: string): boolean {
    return existsSync(this.#path(templateId, hash));
  }

  /** Keeps an archive; half of one is never seen. */
  async put(templateId: string, hash: string, content: Readable): Promise<void> {
    const path = this.#path(templateId, hash);
    await mkdir(join(this.directory, templateId), { recursive: true });
    const part = `${path}.${newId()}`;
    try {
      await pipeline(content, createWriteStream(part));
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  /** @throws HostError 400 when it was never uploaded. */
  open(templateId: string, hash: string): Readable {
    if (!this.has(templateId, hash)) throw new HostError(400, `The files ${hash} were not uploaded.`);
    return createReadStream(this.#path(templateId, hash));
  }

  async deleteTemplate(templateId: string): Promise<void> {
    await rm(join(this.directory, templateId), { recursive: true, force: true });
  }

  #path(templateId: string, hash: string): string {
    if (!/^[0-9a-f]{16,128}$/.test(hash)) throw new HostError(400, 'The hash of files must be hexadecimal.');
    return join(this.directory, templateId, hash);
  }
}

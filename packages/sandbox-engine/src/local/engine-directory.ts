import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine, Image } from '../engine.js';
import type { Logger } from '../logger.js';
import { writeFileAtomically } from '../write-file-atomically.js';
import { putAside } from './files/lost-and-found.js';
import { type Remove, Trash } from './files/trash.js';
import { isUnfinishedLayer } from './layers.js';
import { writePortScripts } from './ports/port-scripts.js';
import { run } from './shell.js';

const baseLayer = 'base';

/** The image every engine of this kind starts from. */
export const baseImage: Image = { layers: [baseLayer] };

/** Where an engine keeps layers and the files of sandboxes on this machine. */
export class EngineDirectory
  implements Pick<Engine, 'removeFiles' | 'removeImage' | 'imageBytes' | 'keepOnly'>
{
  readonly sandboxes: string;
  /** Programs that find their ports by these scripts where sandboxes share the network of the host. */
  readonly portScripts: string;
  /** Removes a file or a directory, whatever is in it; what it cannot is reported and tried again. */
  readonly remove: Remove;
  /** Puts aside what no record names. */
  readonly putAside = (path: string): Promise<void> =>
    putAside(path, join(this.path, 'lost+found'), this.logger);
  readonly #layers: string;
  readonly #trash: Trash;

  private constructor(
    readonly path: string,
    trash: Trash,
    private readonly logger: Logger,
  ) {
    this.sandboxes = join(path, 'sandboxes');
    this.portScripts = join(path, 'ports');
    this.#layers = join(path, 'layers');
    this.#trash = trash;
    this.remove = trash.remove;
  }

  /** @param options.keepSandboxes - Whether sandboxes of a host before this one may still run on what is there. */
  static async open(
    path: string,
    { keepSandboxes, logger }: { keepSandboxes: boolean; logger: Logger },
  ): Promise<EngineDirectory> {
    await mkdir(path, { recursive: true });
    const directory = new EngineDirectory(path, await Trash.open(join(path, 'trash'), logger), logger);
    const { sandboxes, remove } = directory;
    // What a dead host left of running sandboxes is of no use without their processes.
    if (!keepSandboxes) await remove(sandboxes);
    await mkdir(sandboxes, { recursive: true });
    // What still runs stands on the lowest layer as it is.
    if ((await readdir(sandboxes)).length === 0) await remove(directory.layerPath(baseLayer));
    await writePortScripts(directory.portScripts);
    return directory;
  }

  layerPath(layer: string): string {
    return join(this.#layers, layer);
  }

  /** Makes the lowest layer, unless something still stands on the one that is there. */
  async makeBase(fill: (root: string) => Promise<void>): Promise<void> {
    const root = this.layerPath(baseLayer);
    if (existsSync(root)) return;
    await mkdir(root, { recursive: true });
    await fill(root);
  }

  /**
   * Layers of one form mean nothing in another: their owners, or what they leave out, differ.
   *
   * @throws Error when those that are there have another form.
   */
  async checkFormat(format: string): Promise<void> {
    const file = join(this.path, 'image-format');
    const before = await readFile(file, 'utf8').catch(() => format);
    if (before !== format) {
      throw new Error(
        `${file}: the data directory holds images in the form "${before}", and this host would make "${format}" ones: start it as before (version, user, isolation, file system), or give it another dataDir.`,
      );
    }
    await writeFileAtomically(file, format, { flush: true });
  }

  /** Where the files of a sandbox are. */
  filesOf(id: string): string {
    return join(this.sandboxes, id);
  }

  removeFiles(id: string): Promise<void> {
    return this.remove(this.filesOf(id));
  }

  async removeImage(image: Image, stillUsed: Image[]): Promise<void> {
    const used = layersOf(stillUsed);
    for (const layer of image.layers) {
      if (!used.has(layer)) await this.remove(this.layerPath(layer));
    }
  }

  async imageBytes(image: Image): Promise<number> {
    const kilobytes = await run('du', '-sk', this.layerPath(image.layers.at(-1) ?? baseLayer));
    return Number.parseInt(kilobytes, 10) * 1024;
  }

  async keepOnly(images: Image[]): Promise<void> {
    const used = layersOf(images);
    for (const layer of await readdir(this.#layers)) {
      if (used.has(layer)) continue;
      if (isUnfinishedLayer(layer)) await this.remove(this.layerPath(layer));
      else await this.putAside(this.layerPath(layer));
    }
  }

  /** Settles when nothing is being removed any more. */
  close(): Promise<void> {
    return this.#trash.close();
  }
}

function layersOf(images: Image[]): Set<string> {
  return new Set([baseImage, ...images].flatMap((image) => image.layers));
}

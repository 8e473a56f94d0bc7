import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { EngineVolumes, VolumeFiles } from '@sandpiper/sandbox-engine/volumes';
import * as z from 'zod';
import { sameSecret } from '../http/same-secret.js';
import { newId, newToken } from '../sandboxes/identifiers.js';
import type { Journal } from '../storage/journal.js';

/** A directory that sandboxes share and that outlives them. */
export interface Volume {
  volumeID: string;
  /** Unique on this host. */
  name: string;
  /** Opens its files, and nothing else, to a caller that shows it. */
  token: string;
}

/** Checks a volume that comes from a file. */
export const volumeSchema: z.ZodType<Volume> = z.object({
  volumeID: z.string(),
  name: z.string(),
  token: z.string(),
});

/** What the catalog works with. */
export interface VolumeCatalogOptions {
  store: Journal<Volume>;
  engine: EngineVolumes;
  /** The sandboxes that have a volume, paused ones too. */
  usersOf: (volumeId: string) => string[];
}

/** Knows which volumes there are. */
export class VolumeCatalog {
  readonly #store: Journal<Volume>;
  readonly #engine: EngineVolumes;
  readonly #usersOf: (volumeId: string) => string[];
  /** Names of volumes that are being made. */
  readonly #making = new Set<string>();

  constructor({ store, engine, usersOf }: VolumeCatalogOptions) {
    this.#store = store;
    this.#engine = engine;
    this.#usersOf = usersOf;
  }

  /** Puts aside what no record names. */
  recover(): Promise<void> {
    return this.#engine.keepOnly(this.list().map(({ volumeID }) => volumeID));
  }

  list(): Volume[] {
    return [...this.#store.values()];
  }

  /** @throws HostError 404. */
  get(volumeId: string): Volume {
    const volume = this.#store.get(volumeId);
    if (!volume) throw new HostError(404, `Volume "${volumeId}" was not found.`);
    return volume;
  }

  findByName(name: string): Volume | undefined {
    return this.list().find((one) => one.name === name);
  }

  /** @throws HostError 400, as E2B answers, when there is one of this name. */
  async create(name: string): Promise<Volume> {
    if (this.#making.has(name) || this.findByName(name)) {
      throw new HostError(400, `Volume with name '${name}' already exists.`);
    }
    this.#making.add(name);
    try {
      const volume = { volumeID: newId(), name, token: newToken() };
      await this.#engine.make(volume.volumeID);
      try {
        this.#store.put(volume.volumeID, volume);
      } catch (cause) {
        await this.#engine.remove(volume.volumeID);
        throw new HostError(507, 'The sandbox host cannot keep what it makes: its disk may be full.', {
          cause,
        });
      }
      return volume;
    } finally {
      this.#making.delete(name);
    }
  }

  /** @throws HostError 404, or 409 while a sandbox has it. */
  async destroy(volumeId: string): Promise<void> {
    const { name } = this.get(volumeId);
    const [user, ...others] = this.#usersOf(volumeId);
    if (user !== undefined) {
      const more = others.length > 0 ? ` and ${others.length} more` : '';
      throw new HostError(409, `Volume "${name}" is mounted in sandbox "${user}"${more}; kill it first.`);
    }
    this.#store.delete(volumeId);
    await this.#engine.remove(volumeId);
  }

  /** The files of a volume, for a caller that shows its token. @throws HostError 401 for everybody else. */
  open(volumeId: string, token: string): VolumeFiles {
    const volume = this.#store.get(volumeId);
    if (!volume || !sameSecret(token, volume.token)) {
      throw new HostError(401, 'The token does not open this volume; it may have been destroyed.');
    }
    return this.#engine.files(volumeId);
  }
}

import type { Image } from '../engines/engine.js';
import type { SandboxUser } from '../engines/user.js';
import { HostError } from '../errors.js';
import { newId } from '../sandboxes/identifiers.js';
import { type Collection, memoryCollection } from '../store/collection.js';

/** A line of a build's log. */
export interface BuildLogEntry {
  timestamp: string;
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
}

/** What a finished build hands to sandboxes. */
export interface BuildResult {
  image: Image;
  envs: Record<string, string>;
  workdir: string;
  user: SandboxUser;
  startCmd?: string | undefined;
  readyCmd?: string | undefined;
}

/** One attempt to make a template's contents. */
export interface Build {
  buildID: string;
  status: 'waiting' | 'building' | 'ready' | 'error';
  /** The tags that will name it once it is ready. */
  tags: string[];
  createdAt: string;
  finishedAt?: string | undefined;
  cpuCount: number;
  memoryMB: number;
  log: BuildLogEntry[];
  reason?: { message: string; step?: string | undefined } | undefined;
  result?: BuildResult | undefined;
}

/** Something sandboxes are made from, by a name and an id. */
export interface Template {
  templateID: string;
  names: string[];
  createdAt: string;
  updatedAt: string;
  public: boolean;
  spawnCount: number;
  lastSpawnedAt?: string | undefined;
  builds: Build[];
  /** Which build a tag means. */
  tags: Record<string, { buildID: string; createdAt: string }>;
  /** Whatever the deployer says about it; an agent's config lies under `agent_runtime`. */
  metadata: Record<string, unknown>;
  /** The sandbox it is a snapshot of, if it is one. */
  snapshotOf?: string | undefined;
}

/** The tag that is meant when none is named. */
export const defaultTag = 'default';
/** What sandboxes get that do not ask for more. */
export const defaultResources = { cpuCount: 2, memoryMB: 512 };

const namePattern = /^[a-z0-9][a-z0-9_-]{0,127}$/;

/** Every template there is, by id and by name. */
export class TemplateCatalog {
  readonly #templates: Collection<Template> = memoryCollection<Template>();

  constructor(base: BuildResult) {
    const template = this.create('base');
    const build = this.addBuild(template, [defaultTag], defaultResources);
    this.finish(template, build, base);
  }

  /** What was built; snapshots are listed apart. */
  list(): Template[] {
    return [...this.#templates.values()].filter((one) => one.snapshotOf === undefined);
  }

  snapshots(): Template[] {
    return [...this.#templates.values()].filter((one) => one.snapshotOf !== undefined);
  }

  /** Finds a template by its id or a name. @throws HostError 404. */
  get(reference: string): Template {
    const found = this.find(reference);
    if (!found) throw new HostError(404, `Template "${reference}" was not found.`);
    return found;
  }

  find(reference: string): Template | undefined {
    return (
      this.#templates.get(reference) ??
      [...this.#templates.values()].find((one) => one.names.includes(reference))
    );
  }

  /** Finds what to start for `name`, `name:tag`, or an id with or without a tag. @throws HostError 404. */
  resolve(reference: string): { template: Template; build: Build; result: BuildResult } {
    const { name, tag } = parseReference(reference);
    const template = this.get(name);
    const buildID = template.tags[tag]?.buildID;
    const build = template.builds.find((one) => one.buildID === buildID);
    if (!build?.result) {
      throw new HostError(404, `Template "${reference}" has no finished build tagged "${tag}".`);
    }
    return { template, build, result: build.result };
  }

  /** @throws HostError 400 for a name that cannot be one. */
  create(name: string | undefined, snapshotOf?: string): Template {
    if (name !== undefined && !namePattern.test(name)) {
      throw new HostError(
        400,
        `"${name}" cannot name a template: use lower-case letters, digits, "-" and "_".`,
      );
    }
    const now = new Date().toISOString();
    const template: Template = {
      templateID: newId(),
      names: name === undefined ? [] : [name],
      createdAt: now,
      updatedAt: now,
      public: false,
      spawnCount: 0,
      builds: [],
      tags: {},
      metadata: {},
      ...(snapshotOf === undefined ? {} : { snapshotOf }),
    };
    this.#templates.put(template.templateID, template);
    return template;
  }

  addBuild(template: Template, tags: string[], resources: { cpuCount: number; memoryMB: number }): Build {
    const build: Build = {
      buildID: newId(),
      status: 'waiting',
      tags,
      createdAt: new Date().toISOString(),
      ...resources,
      log: [],
    };
    template.builds.push(build);
    return build;
  }

  /** Makes a build's result what its tags mean. */
  finish(template: Template, build: Build, result: BuildResult): void {
    build.status = 'ready';
    build.result = result;
    build.finishedAt = new Date().toISOString();
    for (const tag of build.tags) this.tag(template, tag, build.buildID);
  }

  tag(template: Template, tag: string, buildID: string): void {
    const createdAt = new Date().toISOString();
    template.tags[tag] = { buildID, createdAt };
    template.updatedAt = createdAt;
  }

  /** Every image that something may still be started from. */
  images(): Image[] {
    return this.list().flatMap((one) =>
      one.builds.flatMap((build) => (build.result ? [build.result.image] : [])),
    );
  }

  delete(template: Template): void {
    this.#templates.delete(template.templateID);
  }
}

/** Splits `name:tag`. */
export function parseReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  return colon < 0
    ? { name: reference, tag: defaultTag }
    : { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

import { randomUUID } from 'node:crypto';
import { defaultDiskMB } from '@sandpiper/sandbox-engine/disk-limit';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { newId } from '../sandboxes/identifiers.js';
import type { Collection } from '../storage/journal.js';
import type { BuildLogs } from './build-logs.js';
import type { Build, BuildResult, Resources, Template } from './template.js';

/** The tag that is meant when none is named. */
export const defaultTag = 'default';
/** What sandboxes get that do not ask for more. */
export const defaultResources: Resources = { cpuCount: 2, memoryMB: 512, diskMB: defaultDiskMB };

export const tagPattern: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const namePattern = /^[a-z0-9][a-z0-9_-]{0,127}$/;

/** Templates that E2B's SDK takes for given, since its cloud has them. */
const cloudTemplates = ['mcp-gateway', 'devcontainer', 'code-interpreter-v1', 'desktop'];

function ofTheCloud(reference: string): string {
  if (!cloudTemplates.includes(reference)) return '';
  return " It is one of those that E2B's cloud has and this host does not: build one of this name.";
}

/** How long what was counted may be lost with its host. */
const countsKeptMs = 5_000;

/** What templates are kept in. */
export interface TemplateCatalogOptions {
  templates: Collection<Template>;
  logs: BuildLogs;
  logger: Logger;
  /** What the template `base` is here and now. */
  base: BuildResult;
}

/** Every template there is, by id and by name. */
export class TemplateCatalog {
  readonly #templates: Collection<Template>;
  readonly #logger: Logger;
  readonly #logs: BuildLogs;
  /** Those whose counts are not kept yet. */
  readonly #counted = new Set<Template>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ templates, logs, base, logger }: TemplateCatalogOptions) {
    this.#logger = logger;
    this.#templates = templates;
    this.#logs = logs;
    for (const template of this.#templates.values()) this.#endUnfinished(template);
    const template = this.find('base') ?? this.create('base');
    this.#change(template, { builds: [] });
    this.finish(template, this.addBuild(template, [defaultTag], defaultResources), base);
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
    if (!found) throw new HostError(404, `Template "${reference}" was not found.${ofTheCloud(reference)}`);
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

  addBuild(template: Template, tags: string[], { cpuCount, memoryMB, diskMB }: Resources): Build {
    const build: Build = {
      // E2B's Python SDK reads it as a UUID and nothing else.
      buildID: randomUUID(),
      status: 'waiting',
      tags,
      createdAt: new Date().toISOString(),
      cpuCount,
      memoryMB,
      diskMB,
    };
    this.#change(template, { builds: [...template.builds, build] });
    return build;
  }

  /** Makes a build's result what its tags mean. */
  finish(template: Template, build: Build, result: BuildResult): void {
    const finishedAt = new Date().toISOString();
    const tags = { ...template.tags };
    for (const tag of build.tags) tags[tag] = { buildID: build.buildID, createdAt: finishedAt };
    this.#changeBuild(template, build, { status: 'ready', result, finishedAt }, { tags });
  }

  /** Marks a build as failed. */
  fail(template: Template, build: Build, reason: { message: string; step?: string | undefined }): void {
    this.#changeBuild(template, build, { status: 'error', reason, finishedAt: new Date().toISOString() });
  }

  tag(template: Template, tags: string[], buildID: string): void {
    const createdAt = new Date().toISOString();
    const added = Object.fromEntries(tags.map((tag) => [tag, { buildID, createdAt }]));
    this.#change(template, { tags: { ...template.tags, ...added } });
  }

  /** @throws HostError 404 when one of them is not there. */
  untag(template: Template, tags: string[]): void {
    const unknown = tags.find((tag) => !template.tags[tag]);
    if (unknown !== undefined) throw new HostError(404, `The template has no tag "${unknown}".`);
    const left = Object.entries(template.tags).filter(([tag]) => !tags.includes(tag));
    this.#change(template, { tags: Object.fromEntries(left) });
  }

  /** Changes what is said about a template. */
  describe(template: Template, changes: Partial<Pick<Template, 'public' | 'metadata'>>): void {
    this.#change(template, changes);
  }

  /** Every image that something may still be started from. */
  images(): Image[] {
    return [...this.#templates.values()].flatMap((one) =>
      one.builds.flatMap((build) => (build.result ? [build.result.image] : [])),
    );
  }

  buildIds(): string[] {
    return [...this.#templates.values()].flatMap((one) => one.builds.map(({ buildID }) => buildID));
  }

  delete(template: Template): void {
    this.#templates.delete(template.templateID);
    for (const { buildID } of template.builds) this.#logs.remove(buildID);
  }

  /** Counts a sandbox of a template. Kept with its next change, or soon: no creation waits for the disk. */
  countSpawn(template: Template, at: Date): void {
    template.spawnCount += 1;
    template.lastSpawnedAt = at.toISOString();
    this.#counted.add(template);
    this.#timer ??= setTimeout(() => this.#keepCounts(), countsKeptMs).unref();
  }

  /** Keeps what was counted last. */
  close(): void {
    clearTimeout(this.#timer);
    this.#keepCounts();
  }

  #keepCounts(): void {
    this.#timer = undefined;
    for (const template of this.#counted) {
      this.#counted.delete(template);
      if (!this.#templates.get(template.templateID)) continue;
      try {
        this.#templates.put(template.templateID, template);
      } catch (error) {
        this.#logger.error(
          { err: error },
          `How often template ${template.templateID} was used could not be recorded`,
        );
      }
    }
  }

  /** Keeps what a template is to be, and then makes it that. @throws where the disk does not take it, with nothing changed. */
  #change(template: Template, changes: Partial<Template>, apply: () => void = () => {}): void {
    const changed = { ...changes, updatedAt: new Date().toISOString() };
    this.#templates.change(template.templateID, { ...template, ...changed }, () => {
      Object.assign(template, changed);
      apply();
    });
  }

  #changeBuild(
    template: Template,
    build: Build,
    changes: Partial<Build>,
    others: Partial<Template> = {},
  ): void {
    const { builds } = template;
    const next = builds.map((one) => (one === build ? { ...build, ...changes } : one));
    this.#change(template, { ...others, builds: next }, () => {
      // Every holder of the build sees it change.
      template.builds = builds;
      Object.assign(build, changes);
    });
  }

  /** A build whose host has ended will not go on. */
  #endUnfinished(template: Template): void {
    for (const build of template.builds) {
      if (build.status === 'ready' || build.status === 'error') continue;
      const message = 'The sandbox host ended before the build did.';
      const log = this.#logs.open(build.buildID);
      log.add('error', message);
      log.endStep();
      this.fail(template, build, { message });
    }
  }
}

/** Splits `name:tag`. */
export function parseReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  return colon < 0
    ? { name: reference, tag: defaultTag }
    : { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

/** Whether something can be the name or id of a template, with or without a tag; it need not exist. */
export function isTemplateReference(reference: string): boolean {
  const { name, tag } = parseReference(reference);
  return namePattern.test(name) && tagPattern.test(tag);
}

import type { Image } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import type { OnLine } from '../sandboxes/follow-lines.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';
import { defaultSettings } from '../sandboxes/sandbox-settings.js';
import { startAgent } from '../sandboxes/start-agent.js';
import type { BuildLogs } from './build-logs.js';
import { applyStep, type BuildState, type BuildStep, runStep } from './build-steps.js';
import { findAgent } from './find-agent.js';
import type { ImageMap } from './image-map.js';
import { type LayerCache, layerKey } from './layer-cache.js';
import type { Build, BuildLogEntry, Template } from './template.js';
import type { TemplateCatalog } from './template-catalog.js';
import { diskOf } from './template-policy.js';
import type { UploadedFiles } from './uploaded-files.js';

/** What a build is to do. */
export interface BuildPlan {
  fromTemplate?: string | undefined;
  fromImage?: string | undefined;
  startCmd?: string | undefined;
  readyCmd?: string | undefined;
  /** Carry out every step, even if the same was done before. */
  force?: boolean | undefined;
  steps: BuildStep[];
}

/** No build takes longer. */
const buildTimeoutMs = 60 * 60_000;

/** The most layers over each other; further steps share one. */
const maxLayers = 12;

/** What builds are carried out with. */
export interface TemplateBuilderParts {
  catalog: TemplateCatalog;
  sandboxes: SandboxManager;
  uploads: UploadedFiles;
  cache: LayerCache;
  logs: BuildLogs;
  logger: Logger;
  images: ImageMap;
}

/** Carries out builds: each step in a sandbox of its own, unless the same was done before. */
export class TemplateBuilder {
  readonly #running = new Set<Promise<void>>();
  /** What the builds under way stand on, by their ids. */
  readonly #imagesInUse = new Map<string, Image>();

  constructor(private readonly parts: TemplateBuilderParts) {}

  /** Runs a build to its end. What goes wrong is the build's status and log. */
  start(template: Template, build: Build, plan: BuildPlan): void {
    const running = this.#run(template, build, plan);
    this.#running.add(running);
    const done = (): unknown => this.#running.delete(running);
    running.then(done, done);
  }

  images(): Image[] {
    return [...this.#imagesInUse.values()];
  }

  /** Waits for the builds under way, which end with their sandboxes. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #run(template: Template, build: Build, plan: BuildPlan): Promise<void> {
    const { catalog, sandboxes, uploads, cache, logs } = this.parts;
    build.status = 'building';
    const buildLog = logs.open(build.buildID);
    const log = (level: BuildLogEntry['level'], message: string): void => buildLog.add(level, message);
    let step = 'base';
    let sandbox: Sandbox | undefined;
    try {
      const from = this.#resolveBase(plan);
      const name = from.template.names[0] ?? from.template.templateID;
      log('info', from.image ? `FROM ${name}, which stands for the image ${from.image}` : `FROM ${name}`);
      const state: BuildState = {
        envs: { ...from.result.envs },
        workdir: from.result.workdir,
        user: from.result.user,
      };
      let { image } = from.result;
      const stepOnto = (next: Image): void => {
        image = next;
        this.#imagesInUse.set(build.buildID, next);
      };
      stepOnto(image);
      const open = async (): Promise<Sandbox> =>
        sandboxes.create(image, {
          ...defaultSettings,
          templateId: template.templateID,
          timeoutMs: buildTimeoutMs,
          cpuCount: build.cpuCount,
          memoryMB: build.memoryMB,
          diskMB: diskOf(template, build),
          listed: false,
        });
      const close = async (): Promise<void> => {
        const ended = sandbox;
        sandbox = undefined;
        if (ended) await sandboxes.kill(ended.id);
      };
      for (const [index, one] of plan.steps.entries()) {
        step = String(index + 1);
        const title = `[${step}/${plan.steps.length}] ${one.type} ${one.args.join(' ')}`;
        if (applyStep(state, one)) {
          log('info', title);
          continue;
        }
        const key = layerKey(image, state, one);
        const known = plan.force || one.force ? undefined : cache.find(key);
        log('info', known ? `CACHED ${title}` : title);
        if (known) {
          stepOnto(known);
          await close();
          continue;
        }
        sandbox ??= await open();
        const files = one.filesHash;
        await runStep(
          sandbox,
          state,
          one,
          log,
          files ? () => uploads.open(template.templateID, files) : undefined,
        ).finally(() => buildLog.endStep());
        stepOnto(await sandbox.checkpoint());
        await cache.put(key, image);
        if (image.layers.length < maxLayers) await close();
      }
      step = 'finalize';
      let startCmd = plan.startCmd ?? from.result.startCmd;
      let readyCmd = plan.startCmd ? plan.readyCmd : (plan.readyCmd ?? from.result.readyCmd);
      if (!startCmd && plan.steps.length > 0) {
        sandbox ??= await open();
        const found = await findAgent(sandbox);
        if (found) ({ workdir: state.workdir, startCmd, readyCmd } = found);
      }
      if (startCmd) {
        await close();
        sandbox = await open();
        log('info', `Starting: ${startCmd}`);
        const onLine: OnLine = (line) => log('info', line);
        await this.#tryStart(sandbox, state, { startCmd, readyCmd, onLine });
      }
      log('info', 'Build finished');
      // Its status is what callers stop to read the log on.
      buildLog.endStep();
      catalog.finish(template, build, { image, ...state, startCmd, readyCmd });
    } catch (error) {
      const known = HostError.isInstance(error) ? error : shortageOf(error);
      const message = known?.message ?? 'The build failed inside the sandbox host.';
      if (!known) this.parts.logger.error({ err: error }, `Build ${build.buildID} failed`);
      log('error', message);
      buildLog.endStep();
      catalog.fail(template, build, { message, step });
    } finally {
      this.#imagesInUse.delete(build.buildID);
      if (sandbox) await sandboxes.kill(sandbox.id);
    }
  }

  /** A server that cannot start is the build's failure, not the first session's. */
  async #tryStart(
    sandbox: Sandbox,
    state: BuildState,
    start: { startCmd: string; readyCmd: string | undefined; onLine: OnLine },
  ): Promise<void> {
    sandbox.change(state);
    await startAgent(sandbox, start, { onLine: start.onLine });
  }

  #resolveBase(plan: BuildPlan): ReturnType<TemplateCatalog['resolve']> & { image?: string } {
    const { catalog, images } = this.parts;
    if (plan.fromTemplate || !plan.fromImage) return catalog.resolve(plan.fromTemplate ?? 'base');
    const reference = images.templateOf(plan.fromImage);
    try {
      return { ...catalog.resolve(reference), image: plan.fromImage };
    } catch (cause) {
      if (!HostError.isInstance(cause)) throw cause;
      // The deployer's mistake, of which the caller knows nothing but the image.
      throw new HostError(400, `The option images leads "${plan.fromImage}" to nothing: ${cause.message}`, {
        cause,
      });
    }
  }
}

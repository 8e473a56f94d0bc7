import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import type { Capabilities, Image } from '@sandpiper/sandbox-engine/engine';
import { everyStep, Undo } from '@sandpiper/sandbox-engine/every-step';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { logFailure } from '@sandpiper/sandbox-engine/logger';
import { createApi } from '../control-plane/app.js';
import { poolRoutes } from '../control-plane/pools/pool-routes.js';
import { lifecycleRoutes } from '../control-plane/sandboxes/lifecycle-routes.js';
import { observationRoutes } from '../control-plane/sandboxes/observation-routes.js';
import { sandboxRoutes } from '../control-plane/sandboxes/sandbox-routes.js';
import { snapshotRoutes } from '../control-plane/snapshots/snapshot-routes.js';
import { templateRoutes } from '../control-plane/templates/template-routes.js';
import { uploadRoute } from '../control-plane/templates/upload-route.js';
import { absentRoutes } from '../control-plane/unsupported-routes.js';
import { volumeContentRoutes } from '../control-plane/volumes/volume-content-routes.js';
import { volumeRoutes } from '../control-plane/volumes/volume-routes.js';
import { createEnvd } from '../envd/envd.js';
import { localEnvd } from '../envd/local-envd.js';
import type { ApiEvents } from '../events/api-events.js';
import type { GatewayEvents } from '../events/gateway-events.js';
import type { MachineEvents } from '../events/machine-events.js';
import { createGateway } from '../gateway/gateway.js';
import { GatewayTokens, loadGatewayKey } from '../gateway/gateway-tokens.js';
import { Pools } from '../pools/pools.js';
import { newToken } from '../sandboxes/identifiers.js';
import { SandboxManager } from '../sandboxes/sandbox-manager.js';
import { listen } from '../server/listen.js';
import { type DataDirectory, requireContents, takeDataDirectory } from '../storage/data-directory.js';
import { checkMinFreeDiskMb, defaultMinFreeDiskMb, requireFreeDisk } from '../storage/free-disk.js';
import { readOrCreate } from '../storage/read-or-create.js';
import { BuildLogs } from '../templates/build-logs.js';
import { ImageMap } from '../templates/image-map.js';
import { LayerCache } from '../templates/layer-cache.js';
import { TemplateBuilder } from '../templates/template-builder.js';
import { TemplateCatalog } from '../templates/template-catalog.js';
import { UploadedFiles } from '../templates/uploaded-files.js';
import { VolumeCatalog } from '../volumes/volume-catalog.js';
import { consoleLogger } from './console-logger.js';
import { createDispatcher } from './dispatch.js';
import { drainEnvironment } from './drain-environment.js';
import { checkHostOptions, type SandboxHostOptions } from './host-options.js';
import { openObservability } from './observability.js';
import { endLeftovers, openEngine } from './open-engine.js';
import { reportMachineChange, warnNotEnforced } from './report-capabilities.js';
import { openStores } from './stores.js';

/** Long enough to save something, short enough for a caller to wait for. */
const defaultStopGraceMs = 5_000;

/** A running sandbox host. */
export interface SandboxHost extends AsyncDisposable {
  /** The control plane: the SDK's `apiUrl`. */
  readonly apiUrl: string;
  /** The way into sandboxes: the SDK's `sandboxUrl`. */
  readonly sandboxUrl: string;
  readonly apiKey: string;
  /** The SDK's `domain`, with its port; undefined where none was asked for. */
  readonly domain: string | undefined;
  /** The certificate that was made for `tls: true`, as PEM, for `NODE_EXTRA_CA_CERTS` and the like. */
  readonly certificate: string | undefined;
  /** What is enforced on this machine, and what is not. */
  readonly capabilities: Capabilities;
  /** Ends every sandbox and removes what belongs to them. May be called again. */
  close(): Promise<void>;
}

/**
 * Starts a host that speaks E2B's API and runs sandboxes on this machine.
 *
 * @throws Error when the port or the data directory is taken, or when `isolation` cannot be had.
 *
 * @example
 * ```ts
 * import { Sandbox } from 'e2b';
 * import { createSandboxHost } from '@sandpiper/sandbox-host';
 *
 * await using host = await createSandboxHost();
 * const sandbox = await Sandbox.create({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
 * const { stdout } = await sandbox.commands.run('whoami');
 * ```
 */
export async function createSandboxHost(options: SandboxHostOptions = {}): Promise<SandboxHost> {
  checkHostOptions(options);
  const { logger = consoleLogger } = options;
  const undo = new Undo();
  try {
    const data = await takeDataDirectory(options.dataDir, endLeftovers, logger);
    undo.add(() => data.release());
    return await startHost(options, data, undo);
  } catch (error) {
    await undo.all(logFailure(logger, 'What a start that failed had begun could not all be undone'));
    throw error;
  }
}

async function startHost(options: SandboxHostOptions, data: DataDirectory, undo: Undo): Promise<SandboxHost> {
  const { logger = consoleLogger } = options;
  const images = new ImageMap(options.images);
  const machineEvents: MachineEvents = new EventEmitter();
  machineEvents.on('change', (change) => reportMachineChange(logger, change));
  const minFreeDiskMb = checkMinFreeDiskMb(options.minFreeDiskMb ?? defaultMinFreeDiskMb);
  const engine = await openEngine({
    directory: data.path,
    isolation: options.isolation,
    keepSandboxes: options.dataDir !== undefined,
    swapFileMB: options.swapFileMB,
    logger,
    onMachineChange: (change) => machineEvents.emit('change', change),
  });
  undo.add(() => engine.close());
  warnNotEnforced(engine.capabilities, options.logger);
  const apiKey = options.apiKey ?? (await readOrCreate(join(data.path, 'api-key'), () => newToken('e2b_')));
  const stores = openStores(data.path);
  undo.add(() => stores.close());
  const usedImages = (): Image[] => [
    ...catalog.images(),
    ...sandboxes.images(),
    ...cache.images(),
    ...builder.images(),
  ];
  const releaseImage = (image: Image): Promise<void> => engine.removeImage(image, usedImages());
  const tokens = new GatewayTokens(await loadGatewayKey(data.path));
  const { stopGraceMs = defaultStopGraceMs } = options;
  let origin = '';
  let domain: string | undefined;
  const requireRoom = async (): Promise<void> => {
    requireContents(data.path, logger);
    await requireFreeDisk(data.path, minFreeDiskMb);
  };
  const sandboxes: SandboxManager = new SandboxManager({
    engine,
    requireRoom,
    store: stores.sandboxes,
    releaseImage,
    platform: {
      envs: { ...tokens.environment, ...drainEnvironment(stopGraceMs) },
      get domain() {
        return domain;
      },
    },
    lifetimes: {
      maxAgeMs: options.maxAgeMs,
      hibernateAfterMs: options.hibernateAfterMs,
      idle: options.idle,
    },
    stopGraceMs,
    takeReady: (image, settings) => pools.take(image, settings),
    localServer: (sandbox) => localEnvd(sandbox, logger),
    logger,
  });
  const uploads = new UploadedFiles(join(data.path, 'uploads'), engine.remove);
  const logs = new BuildLogs(join(data.path, 'build-logs'), logger);
  const catalog = new TemplateCatalog({
    templates: stores.templates,
    logs,
    logger,
    base: { image: engine.baseImage, envs: {}, workdir: '/home/user', user: 'user' },
  });
  logs.keepOnly(catalog.buildIds());
  const cache = new LayerCache({
    store: stores.layers,
    measure: (image) => engine.imageBytes(image),
    release: releaseImage,
  });
  const volumes = new VolumeCatalog({
    store: stores.volumes,
    engine: engine.volumes,
    usersOf: (volumeId) => sandboxes.usersOf(volumeId),
  });
  const builder = new TemplateBuilder({ catalog, sandboxes, uploads, cache, logs, images, logger });
  const pools: Pools = new Pools(sandboxes, catalog, stores.pools, logger);
  undo.add(() => pools.close());
  const apiEvents: ApiEvents = new EventEmitter();
  const gatewayEvents: GatewayEvents = new EventEmitter();
  const observability = await openObservability({
    directory: data.path,
    logger,
    api: apiEvents,
    gateway: gatewayEvents,
    lifecycle: sandboxes.events,
    machine: machineEvents,
    pools: () => pools.list(),
    openMetrics: options.openMetrics ?? false,
  });
  undo.add(() => observability.close());
  const gateway = createGateway({
    sandboxes,
    envd: createEnvd(logger),
    tokens,
    events: gatewayEvents,
    apiKey,
  });
  undo.add(() => gateway.close());
  const upload = uploadRoute(uploads, newToken(), () => origin);
  const api = createApi(
    [
      ...observationRoutes(sandboxes),
      ...sandboxRoutes(sandboxes, catalog, volumes, engine.capabilities),
      ...volumeRoutes(volumes, () => domain),
      ...volumeContentRoutes(volumes),
      ...lifecycleRoutes(sandboxes),
      ...poolRoutes(pools),
      ...observability.routes,
      ...snapshotRoutes(sandboxes, catalog, releaseImage),
      ...absentRoutes,
      ...templateRoutes({
        catalog,
        builder,
        logs,
        requireRoom,
        uploads,
        uploadUrl: upload.url,
        async remove(template) {
          if (template.names.includes('base'))
            throw new HostError(403, 'The template "base" cannot be deleted.');
          catalog.delete(template);
          for (const build of template.builds) {
            if (build.result) await releaseImage(build.result.image);
          }
          await uploads.deleteTemplate(template.templateID);
        },
      }),
    ],
    { apiKey, events: apiEvents, logger },
  );
  const handlers = createDispatcher({
    logger,
    gateway,
    upload,
    serveApi: getRequestListener(api.fetch, { overrideGlobalObjects: false, autoCleanupIncoming: false }),
    domain: () => domain,
  });

  // Before anything is taken over: who cannot have the port leaves what runs to a host that can.
  const listener = await listen(options, data.path, logger);
  undo.add(() => listener.close());
  ({ origin, domain } = listener);
  const closeAll = (): Promise<void> =>
    everyStep(
      // Not waited for: connections end when what they are about has ended.
      () => {
        listener.refuse();
      },
      () => pools.close(),
      () => sandboxes.close(),
      () => builder.close(),
      () => catalog.close(),
      () => listener.close(),
      () => gateway.close(),
      () => engine.close(),
      () => observability.close(),
      () => stores.close(),
      () => data.release(),
    );
  await sandboxes.recover();
  // From here on it answers for what it has taken over. What cannot be tidied up is no reason to end that.
  await everyStep(
    () => engine.keepOnly(usedImages()),
    () => volumes.recover(),
    () => pools.start(options.pools),
  ).catch((error: unknown) =>
    logger.error({ err: error }, 'The sandbox host starts, but not all of it could be done'),
  );
  listener.answer(handlers);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= closeAll();
    return closed;
  };
  return {
    apiUrl: domain ? `https://api.${domain}` : origin,
    sandboxUrl: domain ? `https://sandbox.${domain}` : origin,
    apiKey,
    domain,
    certificate: listener.certificate,
    capabilities: engine.capabilities,
    close,
    [Symbol.asyncDispose]: close,
  };
}

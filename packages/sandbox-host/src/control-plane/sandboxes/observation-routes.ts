import * as z from 'zod';
import type { Sample } from '../../sandboxes/sampler.js';
import type { Sandbox } from '../../sandboxes/sandbox.js';
import type { SandboxLog } from '../../sandboxes/sandbox-log.js';
import type { SandboxManager } from '../../sandboxes/sandbox-manager.js';
import { type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';

const levels = ['debug', 'info', 'warn', 'error'] as const;
const limit = z.coerce.number().int().min(1).max(1_000).default(1_000);
const unixSeconds = z.coerce.number().int().min(0).optional();
const unixMs = z.coerce.number().int().min(0).optional();

/** The most sandboxes that one call reads about. */
const maxIds = 100;
const sandboxIds = z
  .string()
  .transform((ids) => ids.split(',').filter((id) => id !== ''))
  .pipe(z.array(z.string()).min(1).max(maxIds));

const metricSchema = z
  .object({
    timestamp: moment,
    timestampUnix: z.int(),
    cpuCount: z.int(),
    cpuUsedPct: z.number(),
    memUsed: z.int(),
    memCache: z.int(),
    memTotal: z.int(),
    diskUsed: z.int(),
    diskTotal: z.int(),
  })
  .register(schemaNames, { id: 'SandboxMetric' });
const logLineSchema = z
  .object({ timestamp: moment, line: z.string() })
  .register(schemaNames, { id: 'SandboxLogLine' });
const logEntrySchema = z
  .object({
    timestamp: moment,
    level: z.enum(levels),
    message: z.string(),
    fields: z.record(z.string(), z.string()),
  })
  .register(schemaNames, { id: 'SandboxLogEntry' });

/** The part of the control plane that tells what sandboxes use and say. */
export function observationRoutes(sandboxes: SandboxManager): Route[] {
  const log = (params: Record<string, string>): SandboxLog => sandboxes.get(params.sandboxID ?? '').log;
  return [
    // Before the paths with an id, which would take "metrics" for one.
    route({
      method: 'get',
      path: '/sandboxes/metrics',
      summary: 'Read what each of some sandboxes uses now; those that are not there are left out',
      query: z.object({ sandbox_ids: sandboxIds }),
      responses: { 200: z.object({ sandboxes: z.record(z.string(), metricSchema) }) },
      handle: async ({ query }) => {
        const wanted = sandboxes.list().filter(({ id }) => query.sandbox_ids.includes(id));
        const views = await Promise.all(
          wanted.map(async (sandbox) => {
            // One that ends meanwhile is known by what it used last.
            await sandbox.sampler.take().catch(() => {});
            const sample = sandbox.sampler.samples().at(-1);
            return sample ? [[sandbox.id, metricView(sandbox, sample)] as const] : [];
          }),
        );
        return { body: { sandboxes: Object.fromEntries(views.flat()) } };
      },
    }),
    route({
      method: 'get',
      path: '/sandboxes/{sandboxID}/metrics',
      summary: 'Read what a sandbox has used',
      query: z.object({ start: unixSeconds, end: unixSeconds }),
      responses: { 200: z.array(metricSchema) },
      handle: async ({ params, query: { start = 0, end = Number.POSITIVE_INFINITY } }) => {
        const sandbox = sandboxes.get(params.sandboxID ?? '');
        await sandbox.sampler.take();
        const wanted = sandbox.sampler
          .samples()
          .filter(({ at }) => at >= start * 1000 && at < (end + 1) * 1000);
        return { body: wanted.map((sample) => metricView(sandbox, sample)) };
      },
    }),
    route({
      method: 'get',
      path: '/sandboxes/{sandboxID}/logs',
      summary: 'Read the log of a sandbox',
      query: z.object({ start: unixMs, limit }),
      responses: { 200: z.object({ logs: z.array(logLineSchema), logEntries: z.array(logEntrySchema) }) },
      handle: ({ params, query }) => {
        const lines = log(params).lines({ from: query.start, limit: query.limit });
        return {
          body: {
            logs: lines.map((line) => ({ timestamp: line.timestamp, line: line.message })),
            logEntries: lines.map((line) => ({ ...line, fields: {} })),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v2/sandboxes/{sandboxID}/logs',
      summary: 'Read the log of a sandbox, in either direction',
      query: z.object({
        cursor: unixMs,
        limit,
        direction: z.enum(['forward', 'backward']).default('forward'),
        level: z.enum(levels).default('debug'),
        search: z.string().optional(),
      }),
      responses: { 200: z.object({ logs: z.array(logEntrySchema) }) },
      handle: ({ params, query }) => {
        const wanted = new Set(levels.slice(levels.indexOf(query.level)));
        const backward = query.direction === 'backward';
        const lines = log(params).lines({
          ...(backward ? { to: query.cursor } : { from: query.cursor }),
          limit: query.limit,
          backward,
          matches: (line) => wanted.has(line.level) && line.message.includes(query.search ?? ''),
        });
        return { body: { logs: lines.map((line) => ({ ...line, fields: {} })) } };
      },
    }),
  ];
}

function metricView({ settings }: Sandbox, sample: Sample): z.output<typeof metricSchema> {
  return {
    timestamp: new Date(sample.at).toISOString(),
    timestampUnix: Math.floor(sample.at / 1000),
    cpuCount: Math.ceil(settings.cpuCount),
    cpuUsedPct: sample.cpuPercent,
    memUsed: sample.memoryBytes,
    memCache: sample.cacheBytes,
    memTotal: settings.memoryMB * 2 ** 20,
    diskUsed: sample.diskUsedBytes,
    diskTotal: sample.diskTotalBytes,
  };
}

import * as z from 'zod';
import * as schemas from './schemas.js';

/** What an operation of E2B's documents responds with. */
export interface Operation {
  /** The method and the path, as the document writes them. */
  name: string;
  /** The document that has it. */
  part: 'control plane' | 'volumecontent' | 'envd';
  /** The schema of the body by the status of success; `undefined` where there is none, `bytes` where it is a file. */
  success: Record<number, z.ZodType | 'bytes' | undefined>;
  /** The documented statuses of refusals. */
  refusals: number[];
}

const many = (schema: z.ZodType): z.ZodType => z.array(schema);
const operationsOf =
  (part: Operation['part']) =>
  (name: string, success: Operation['success'], refusals: number[] = []): Operation => ({
    name,
    part,
    success,
    refusals,
  });
const operation = operationsOf('control plane');
const inVolume = operationsOf('volumecontent');
const inSandbox = operationsOf('envd');

/** Documented for all of the control plane. */
const common = [401, 429, 500];
const creation = [400, ...common, 503, 504];
const connection = [...creation, 404, 409];
const found = [404, ...common];

/** The control plane. */
export const controlPlane: Operation[] = [
  operation('GET /sandboxes', { 200: many(schemas.listedSandbox) }, [400, ...common]),
  operation('POST /sandboxes', { 201: schemas.sandbox }, creation),
  operation('GET /v2/sandboxes', { 200: many(schemas.listedSandbox) }, [400, ...common]),
  operation('POST /v2/sandboxes', { 201: schemas.sandbox }, creation),
  operation('GET /sandboxes/metrics', { 200: schemas.sandboxesWithMetrics }, [400, ...common]),
  operation('GET /sandboxes/{sandboxID}', { 200: schemas.sandboxDetail }, found),
  operation('DELETE /sandboxes/{sandboxID}', { 204: undefined }, [...found, 409]),
  operation(
    'POST /sandboxes/{sandboxID}/connect',
    { 200: schemas.sandbox, 201: schemas.sandbox },
    connection,
  ),
  operation(
    'POST /v2/sandboxes/{sandboxID}/connect',
    { 200: schemas.sandbox, 201: schemas.sandbox },
    connection,
  ),
  operation('POST /sandboxes/{sandboxID}/resume', { 201: schemas.sandbox }, connection),
  operation('POST /sandboxes/{sandboxID}/pause', { 204: undefined }, [...found, 409, 503]),
  operation('POST /sandboxes/{sandboxID}/fork', { 201: many(schemas.forkResult) }, [...found, 409, 503]),
  operation('POST /sandboxes/{sandboxID}/snapshots', { 201: schemas.snapshotInfo }, [400, ...found]),
  operation('POST /sandboxes/{sandboxID}/timeout', { 204: undefined }, found),
  operation('POST /sandboxes/{sandboxID}/refreshes', { 204: undefined }, found),
  operation('PUT /sandboxes/{sandboxID}/network', { 204: undefined }, [...found, 409]),
  operation('GET /sandboxes/{sandboxID}/logs', { 200: schemas.sandboxLogs }, found),
  operation('GET /v2/sandboxes/{sandboxID}/logs', { 200: schemas.sandboxLogsV2 }, found),
  operation('GET /sandboxes/{sandboxID}/metrics', { 200: many(schemas.sandboxMetric) }, [400, ...found]),
  operation('GET /snapshots', { 200: many(schemas.snapshotInfo) }, common),
  operation('GET /templates', { 200: many(schemas.template) }, common),
  operation('GET /v2/templates', { 200: many(schemas.template) }, [400, 403, ...common]),
  operation('POST /v3/templates', { 202: schemas.requestedBuild }, [400, 403, 409, ...common]),
  operation('POST /templates/tags', { 201: schemas.assignedTags }, [400, ...found]),
  operation('DELETE /templates/tags', { 204: undefined }, [400, ...found]),
  operation('GET /templates/aliases/{alias}', { 200: schemas.templateAlias }, [400, 403, ...found]),
  operation('GET /templates/{templateID}', { 200: schemas.templateWithBuilds }, common),
  operation('DELETE /templates/{templateID}', { 204: undefined }, common),
  operation('PATCH /templates/{templateID}', { 200: undefined }, [400, ...common]),
  operation('PATCH /v2/templates/{templateID}', { 200: schemas.templateUpdate }, [400, ...common]),
  operation('GET /templates/{templateID}/tags', { 200: many(schemas.templateTag) }, [403, ...found]),
  operation('GET /templates/{templateID}/files/{hash}', { 201: schemas.fileUpload }, [400, ...found]),
  operation('POST /v2/templates/{templateID}/builds/{buildID}', { 202: undefined }, [400, ...common]),
  operation('GET /templates/{templateID}/builds/{buildID}/status', { 200: schemas.buildInfo }, found),
  operation('GET /templates/{templateID}/builds/{buildID}/logs', { 200: schemas.buildLogs }, found),
  operation('GET /volumes', { 200: many(schemas.volume) }, common),
  operation('POST /volumes', { 201: schemas.volumeAndToken }, [400, ...common]),
  operation('GET /volumes/{volumeID}', { 200: schemas.volumeAndToken }, found),
  operation('DELETE /volumes/{volumeID}', { 204: undefined }, found),
  inVolume('GET /volumecontent/{volumeID}/dir', { 200: many(schemas.volumeEntry) }, [404, 500]),
  inVolume('POST /volumecontent/{volumeID}/dir', { 201: schemas.volumeEntry }, [404, 500]),
  inVolume('GET /volumecontent/{volumeID}/path', { 200: schemas.volumeEntry }, [404, 500]),
  inVolume('PATCH /volumecontent/{volumeID}/path', { 200: schemas.volumeEntry }, [404, 500]),
  inVolume('DELETE /volumecontent/{volumeID}/path', { 204: undefined }, [404, 500]),
  inVolume('GET /volumecontent/{volumeID}/file', { 200: 'bytes' }, [404, 500]),
  inVolume('PUT /volumecontent/{volumeID}/file', { 201: schemas.volumeEntry }, [404, 500]),
];

/** What is not RPC of the API inside sandboxes. */
export const envd: Operation[] = [
  inSandbox('GET /health', { 204: undefined }),
  inSandbox('GET /metrics', { 200: schemas.envdMetrics }),
  inSandbox('GET /envs', { 200: schemas.envVars }),
  inSandbox('GET /files', { 200: 'bytes' }, [400, 401, 404, 406, 500]),
  inSandbox('POST /files', { 200: many(schemas.entryInfo) }, [400, 401, 500, 507]),
  inSandbox('POST /files/compose', { 200: schemas.entryInfo }, [400, 401, 404, 500, 507]),
];

/** The operation for a request; a path without parameters is meant before one with. */
export function findOperation(operations: Operation[], method: string, path: string): Operation | undefined {
  const matches = ({ name }: Operation): boolean => {
    const [ownMethod, ownPath = ''] = name.split(' ');
    const pattern = ownPath.replace(/\{\w+\}/g, '[^/]+');
    return ownMethod === method && new RegExp(`^${pattern}$`).test(path);
  };
  return operations.filter(matches).sort((a, b) => parameters(a) - parameters(b))[0];
}

function parameters({ name }: Operation): number {
  return name.split('{').length;
}

// All that this host's responses have and E2B's OpenAPI documents do not. Nothing else may differ.

/** Fields that are added, by the schema. E2B's SDKs ignore what they do not know. */
export const extraFields: Record<string, string[]> = {
  SandboxDetail: ['capabilities', 'limits'],
  Template: ['builds', 'metadata'],
  TemplateWithBuilds: ['metadata'],
};

/** Statuses of refusals that are added, by the operation; E2B's own service has most of them without documenting them. */
export const extraStatuses: Record<string, number[]> = {
  // What is not understood is refused, on every route: the body, the query, its length. What this host does not have is
  // 501, a host that is full or stops 503, a full disk 507.
  'control plane': [400, 413, 501, 503, 507],
  // The token is missing or wrong; a method that is none of the path's; what E2B's proxy in front says of a sandbox that is
  // not there, starts, or has too many waiting.
  envd: [400, 401, 405, 413, 429, 502, 503, 504],
  // The volume's token is missing or wrong, something is in the way, the disk is full.
  volumecontent: [400, 401, 403, 409, 413, 507],
  // A sandbox has it.
  'DELETE /volumes/{volumeID}': [409],
  // The template, or a build with that tag, was not found.
  'POST /sandboxes': [404],
  'POST /v2/sandboxes': [404],
  'POST /v2/templates/{templateID}/builds/{buildID}': [404, 409],
  'GET /templates/{templateID}': [404],
  'PATCH /templates/{templateID}': [404],
  'PATCH /v2/templates/{templateID}': [404],
  // `base` belongs to the host.
  'DELETE /templates/{templateID}': [403, 404],
  'DELETE /templates/tags': [403],
};

/**
 * Responses about parts of files (RFC 9110, sections 14 and 15) that are added, by the operation: a part, a file that has
 * not changed, and, without a body, a part that the file does not have.
 */
export const partStatuses: Record<string, number[]> = {
  'GET /files': [206, 304, 416],
  'GET /volumecontent/{volumeID}/file': [206, 304, 416],
};

/** Paths that are this host's own. */
export const ownPaths: RegExp[] = [
  /^\/x\//,
  /^\/(health|metrics|openapi\.json)$/,
  // Not there: 501 in words.
  /^\/(secrets|teams)(\/|$)/,
];

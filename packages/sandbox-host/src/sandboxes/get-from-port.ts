import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';

/** Asks a server in a sandbox for something. @returns undefined while nothing listens there, or nothing answers. */
export async function getFromPort(
  engine: EngineSandbox,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<Response | undefined> {
  const endpoint = await engine.dial(port);
  if (!endpoint) return undefined;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return fetch(`http://${host}:${endpoint.port}${path}`, { redirect: 'manual', signal }).catch(
    () => undefined,
  );
}

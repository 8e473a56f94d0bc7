import { text } from 'node:stream/consumers';
import { agentPort } from '@sandpiper/protocol';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** Where PPIO's CLI lays an agent out. */
const folder = '/app';
const file = `${folder}/agent.yaml`;
/** No agent.yaml is longer. */
const maxBytes = 1024 * 1024;

/** How an agent is started that a template holds without saying so. */
export interface FoundAgent {
  workdir: string;
  startCmd: string;
  readyCmd: string;
}

/**
 * Looks for an agent as PPIO's CLI lays it out: its files in `/app`, the one to start named by `spec.entrypoint` of the
 * `agent.yaml` there. PPIO starts it by itself, so the template has no start command.
 *
 * @throws HostError 400 when the file is there and says no such thing.
 */
export async function findAgent(sandbox: Sandbox): Promise<FoundAgent | undefined> {
  const content = await readConfig(sandbox);
  if (content === undefined) return undefined;
  const entrypoint = await entrypointOf(content);
  return {
    workdir: folder,
    startCmd: `exec ${interpreterOf(entrypoint)} ${quote(`./${entrypoint}`)}`,
    // As the SDK's waitForURL writes it.
    readyCmd: `curl -s -o /dev/null -w "%{http_code}" http://localhost:${agentPort}/ping | grep -q "200"`,
  };
}

async function readConfig(sandbox: Sandbox): Promise<string | undefined> {
  try {
    const found = await sandbox.engine.files.read(file);
    if (found.size <= maxBytes) return await text(found.stream());
    await found.close();
  } catch (error) {
    if (HostError.isInstance(error) && error.status === 404) return undefined;
    throw error;
  }
  throw new HostError(400, `${file} is longer than ${maxBytes} bytes.`);
}

async function entrypointOf(content: string): Promise<string> {
  // Loaded when it is needed: most templates have no such file.
  const { parse } = await import('yaml');
  let entrypoint: unknown;
  try {
    entrypoint = parse(content)?.spec?.entrypoint;
  } catch (cause) {
    throw new HostError(400, `${file} is not YAML: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  if (typeof entrypoint === 'string' && /^(?!\/)[^\0]+\.(?:py|[cm]?js|m?ts)$/.test(entrypoint))
    return entrypoint;
  throw new HostError(
    400,
    `${file}: spec.entrypoint is ${JSON.stringify(entrypoint)}; it must be a .py, .js, .mjs, .cjs, .ts or .mts file in ${folder}.`,
  );
}

function interpreterOf(entrypoint: string): string {
  return entrypoint.endsWith('.py') ? '"$(command -v python || command -v python3)"' : 'node';
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

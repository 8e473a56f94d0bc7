import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodePortScript } from './node-port-script.js';
import pythonPortScript from './sitecustomize.py';

const nodeFile = 'ports.cjs';
const pythonDirectory = 'python';

/** Lays down what gives each sandbox ports of its own while all share the host's network. */
export async function writePortScripts(directory: string): Promise<void> {
  await mkdir(join(directory, pythonDirectory), { recursive: true });
  await writeFile(join(directory, nodeFile), nodePortScript);
  await writeFile(join(directory, pythonDirectory, 'sitecustomize.py'), pythonPortScript);
}

/**
 * An environment in which Node.js and Python run the scripts before anything else.
 *
 * @param announcements - The directory, inside the sandbox, in which ports are announced.
 * @param scripts - The directory, inside the sandbox, that `writePortScripts` filled.
 */
export function withPorts(
  env: Record<string, string>,
  announcements: string,
  scripts: string,
): Record<string, string> {
  const required = `--require "${join(scripts, nodeFile)}"`;
  const python = join(scripts, pythonDirectory);
  return {
    ...env,
    SANDPIPER_PORTS: announcements,
    NODE_OPTIONS: env.NODE_OPTIONS ? `${required} ${env.NODE_OPTIONS}` : required,
    PYTHONPATH: env.PYTHONPATH ? `${python}:${env.PYTHONPATH}` : python,
  };
}

/** What sandboxes do without where they share the network of the host, and why they do. */
export function sharedNetwork(obstacle: string): string {
  return `sandboxes share the network of the host, only Node.js and Python programs have ports of their own in each, and localhost:49983 is no sandbox's: ${obstacle}`;
}

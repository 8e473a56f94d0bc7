import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSandboxHost, type SandboxHost } from '@sandpiper/sandbox-host';
import { Template } from 'e2b';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';
import { AgentRuntimeClient } from '../../src/client.js';
import type { AgentRuntimeClientOptions } from '../../src/client-config.js';

const packages = fileURLToPath(new URL('../../../', import.meta.url));

/** A real host for the tests of one file, which close it, and templates on it. */
export interface TestPlatform {
  host: SandboxHost;
  /** A client of the host; the test closes it. */
  client(options?: AgentRuntimeClientOptions): AgentRuntimeClient;
  /** A client of the host that is closed, with its sessions, when the test ends. */
  open(options?: AgentRuntimeClientOptions): AgentRuntimeClient;
  /** Makes a template of one file and what it says of itself. */
  deploy(name: string, template: TestTemplate): Promise<void>;
}

/** What a test's template consists of. */
export interface TestTemplate {
  /** The file's name in the sandbox's home. */
  file: string;
  content: string;
  /** How the template starts its agent, where it does that by itself. */
  startCmd?: string;
  metadata?: Record<string, unknown>;
}

export async function startPlatform(): Promise<TestPlatform> {
  const host = await createSandboxHost();
  const { apiKey, apiUrl, sandboxUrl } = host;
  const client: TestPlatform['client'] = (options = {}) =>
    new AgentRuntimeClient({ apiKey, apiUrl, sandboxUrl, ...options });
  return {
    host,
    client,
    open(options) {
      const opened = client(options);
      onTestFinished(async () => {
        await opened.closeAllSessions();
        await opened.close();
      });
      return opened;
    },
    async deploy(name, { file, content, startCmd, metadata }) {
      const folder = await mkdtemp(join(tmpdir(), 'template-'));
      try {
        await writeFile(join(folder, file), content);
        const copied = Template({ fileContextPath: folder }).fromTemplate('base').copy(file, file);
        // The gateway waits a moment for a port to open, so nothing needs to be ready before that.
        const template = startCmd ? copied.setStartCmd(startCmd, 'true') : copied;
        await Template.build(template, name, { apiKey, apiUrl });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      if (!metadata) return;
      const response = await fetch(`${apiUrl}/x/templates/${name}/metadata`, {
        method: 'PUT',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
        body: JSON.stringify(metadata),
      });
      if (!response.ok) throw new Error(await response.text());
    },
  };
}

/** The tests' own agent, which does what its prompt says. */
export const commandsAgent: string = join(packages, 'agent-client/test/agents/commands.ts');

/** An agent in one file, with the runtime in it. */
export async function bundleAgent(path: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path],
    alias: { '@sandpiper/agent-runtime': join(packages, 'agent-runtime/src/index.ts') },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: {
      js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
    },
  });
  return outputFiles[0]?.text ?? '';
}

/** An agent configuration as a template's metadata carries it. */
export function agentMetadata(entrypoint: string): Record<string, unknown> {
  return {
    agent: {
      apiVersion: 'v1',
      kind: 'Agent',
      metadata: {
        name: 'test',
        version: '1.0.0',
        author: 'a@example.com',
        description: 'An agent for tests.',
      },
      spec: { entrypoint },
    },
  };
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Template, waitForURL } from 'e2b';
import { build } from 'esbuild';

/** Builds a template whose server is the benchmark's agent. */
export async function buildAgentTemplate(name, connection) {
  await withAgentFolder(async (folder) => {
    const template = Template({ fileContextPath: folder })
      .fromTemplate('base')
      .copy('agent.mjs', 'agent.mjs')
      .setStartCmd('node agent.mjs', waitForURL('http://localhost:8080/ping', 200));
    await Template.build(template, name, connection);
  });
}

/** Lends a folder with the agent, as one file, in it. */
export async function withAgentFolder(use) {
  const folder = await mkdtemp(join(tmpdir(), 'sandpiper-bench-agent-'));
  try {
    await writeFile(join(folder, 'agent.mjs'), await bundle());
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Asks for /ping until it is answered. */
export async function untilPing(url, headers) {
  for (;;) {
    const response = await fetch(url, { headers }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('agent.mjs', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return outputFiles[0].text;
}

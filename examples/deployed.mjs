import { spawnSync } from 'node:child_process';
import { AgentRuntimeClient } from '@sandpiper/agent-client';
import { createSandboxHost } from '@sandpiper/sandbox-host';
import { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { descendantsOf } from './processes.mjs';

/** Whether sandboxes are walled in here; a template that asks for a closed network is refused where they are not. */
export const canIsolate =
  process.platform === 'linux' &&
  process.getuid() === 0 &&
  ['ip', 'nft'].every((tool) => spawnSync(tool, ['-V']).error === undefined);
/** What tests that are skipped without it say. */
export const needsIsolation = 'needs root on Linux, ip and nft';

/**
 * A real host for the tests of one file, with one agent deployed on it. Nothing may be left of them in the end.
 *
 * @param {string} name - The template's.
 * @param {(name: string, platform: object) => Promise<void>} deploy
 */
export function deployed(name, deploy) {
  const place = {
    /** @type {AgentRuntimeClient} */
    client: undefined,
    platform: undefined,
    /** A session that is closed with its test. */
    session: async () => {
      const session = await place.client.createSession(name);
      onTestFinished(async () => {
        await session.close();
      });
      return session;
    },
    /** E2B's own view of a session's sandbox. */
    sandbox: (session) => Sandbox.connect(session.sandboxId, place.platform),
  };
  let host;

  // Browsers and interpreters take their time on a machine that does other things besides.
  vi.setConfig({ testTimeout: 60_000 });

  beforeAll(async () => {
    host = await createSandboxHost();
    const { apiKey, apiUrl, sandboxUrl } = host;
    place.platform = { apiKey, apiUrl, sandboxUrl };
    place.client = new AgentRuntimeClient(place.platform);
    await deploy(name, { apiKey, apiUrl });
  }, 120_000);

  afterAll(async () => {
    expect(await place.client?.listSessions()).toEqual([]);
    await place.client?.close();
    await host?.close();
    await vi.waitFor(async () => expect(await descendantsOf(process.pid)).toEqual([]), { timeout: 20_000 });
  }, 60_000);

  test('its template says who it is and what it may use', async () => {
    const template = await place.client.getTemplate(name);
    expect(template).toMatchObject({ name, agent: { metadata: { name }, spec: { entrypoint: 'agent.js' } } });
  });

  return place;
}

/** The command lines of what runs in a sandbox. */
export async function processesIn(sandbox) {
  const script = String.raw`for f in /proc/[0-9]*/cmdline; do tr '\0' ' ' < $f; echo; done 2>/dev/null; true`;
  const { stdout } = await sandbox.commands.run(script);
  return stdout.split('\n').filter((line) => line !== '' && !line.includes('/proc/'));
}

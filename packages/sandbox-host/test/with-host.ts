import { Sandbox } from 'e2b';
import { afterAll, beforeAll, describe } from 'vitest';
import { createSandboxHost, type Isolation, type SandboxHost } from '../src/index.js';

/** What a suite works with: a host of one kind, and how the E2B SDK reaches it. */
export interface HostFixture {
  readonly host: SandboxHost;
  readonly isolation: Isolation;
  readonly connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  create(template?: string, options?: Parameters<typeof Sandbox.create>[1]): Promise<Sandbox>;
}

const canIsolate = process.platform === 'linux' && process.getuid?.() === 0;

/** Runs the same tests against a host with namespaces (where root runs them) and against one without. */
export function describeHosts(name: string, suite: (fixture: HostFixture) => void): void {
  for (const isolation of ['namespaces', 'none'] as const) {
    describe.skipIf(isolation === 'namespaces' && !canIsolate)(`${name} (isolation: ${isolation})`, () => {
      let host: SandboxHost | undefined;
      const running = (): SandboxHost => {
        if (!host) throw new Error('The host has not been started.');
        return host;
      };
      beforeAll(async () => {
        host = await createSandboxHost({ isolation });
      });
      afterAll(async () => {
        await host?.close();
      });
      suite({
        isolation,
        get host() {
          return running();
        },
        get connection() {
          const { apiUrl, sandboxUrl, apiKey } = running();
          return { apiUrl, sandboxUrl, apiKey };
        },
        create(template = 'base', options = {}) {
          return Sandbox.create(template, { ...this.connection, ...options });
        },
      });
    });
  }
}

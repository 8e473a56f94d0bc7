import * as e2b from 'e2b';
import * as olderE2b from 'e2b-older';
import { afterAll, beforeAll, describe } from 'vitest';
import { createSandboxHost, type Isolation, type SandboxHost } from '../src/index.js';

/** What a suite works with: a host of one kind, and how an E2B SDK reaches it. */
export interface HostFixture {
  readonly host: SandboxHost;
  readonly isolation: Isolation;
  /** The SDK to drive it with. */
  readonly sdk: typeof e2b;
  readonly connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  create(template?: string, options?: Parameters<typeof e2b.Sandbox.create>[1]): Promise<e2b.Sandbox>;
}

const canIsolate = process.platform === 'linux' && process.getuid?.() === 0;
/** Speaks the paths of version 1; the suites use only what it has, too. */
const older = olderE2b as unknown as typeof e2b;

/**
 * Runs the same tests against a host with namespaces (where root runs them) and against one without.
 *
 * @param withOlderSdk - Once more with an SDK from before the control plane's version 2.
 */
export function describeHosts(
  name: string,
  suite: (fixture: HostFixture) => void,
  { withOlderSdk = false }: { withOlderSdk?: boolean } = {},
): void {
  describeHost(name, 'namespaces', e2b, suite);
  describeHost(name, 'none', e2b, suite);
  if (withOlderSdk) describeHost(`${name}, SDK 2.46`, canIsolate ? 'namespaces' : 'none', older, suite);
}

function describeHost(
  name: string,
  isolation: Isolation,
  sdk: typeof e2b,
  suite: (fixture: HostFixture) => void,
): void {
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
      sdk,
      get host() {
        return running();
      },
      get connection() {
        const { apiUrl, sandboxUrl, apiKey } = running();
        return { apiUrl, sandboxUrl, apiKey };
      },
      create(template = 'base', options = {}) {
        return sdk.Sandbox.create(template, { ...this.connection, ...options });
      },
    });
  });
}

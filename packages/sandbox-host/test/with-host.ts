import { canIsolate, isolationObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import * as e2b from 'e2b';
import * as olderE2b from 'e2b-older';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import {
  createSandboxHost,
  type Isolation,
  type SandboxHost,
  type SandboxHostOptions,
} from '../src/index.js';
import { ResponseRecorder } from './e2b-spec/response-recorder.js';
import { leadHere } from './name-service.js';

/** What a suite works with: a host of one kind, and how an E2B SDK reaches it. */
export interface HostFixture {
  readonly host: SandboxHost;
  readonly isolation: Isolation;
  /** The SDK to drive it with. */
  readonly sdk: typeof e2b;
  readonly connection: { apiUrl: string; apiKey: string; sandboxUrl?: string; domain?: string };
  /** What the host has responded with so far. */
  readonly responses: ResponseRecorder;
  create(template?: string, options?: Parameters<typeof e2b.Sandbox.create>[1]): Promise<e2b.Sandbox>;
}

/** Speaks the paths of version 1; the suites use only what it has, too. */
const older = olderE2b as unknown as typeof e2b;

/** The domain of hosts with TLS. */
const testDomain = 'sandpiper.test';

/**
 * Runs the same tests against a host with namespaces (where root runs them) and against one without.
 *
 * @param withOlderSdk - Once more with an SDK from before the control plane's version 2.
 * @param withTls - Once more over TLS, each sandbox and the control plane under a name of its own.
 * @param options - What else the hosts are started with.
 */
export function describeHosts(
  name: string,
  suite: (fixture: HostFixture) => void,
  {
    withOlderSdk = false,
    withTls = false,
    options,
  }: { withOlderSdk?: boolean; withTls?: boolean; options?: SandboxHostOptions } = {},
): void {
  const best: Isolation = canIsolate ? 'namespaces' : 'none';
  describeHost(name, { isolation: 'namespaces', options }, suite);
  describeHost(name, { isolation: 'none', options }, suite);
  if (withOlderSdk) describeHost(`${name}, SDK 2.46`, { isolation: best, sdk: older, options }, suite);
  if (withTls) describeHost(`${name}, TLS`, { isolation: best, tls: true, options }, suite);
}

function describeHost(
  name: string,
  {
    isolation,
    sdk = e2b,
    tls = false,
    options,
  }: { isolation: Isolation; sdk?: typeof e2b; tls?: boolean; options?: SandboxHostOptions | undefined },
  suite: (fixture: HostFixture) => void,
): void {
  const obstacle = isolation === 'namespaces' ? isolationObstacle : undefined;
  describe.skipIf(obstacle)(`${name} (isolation: ${isolation})${unless(obstacle)}`, () => {
    let host: SandboxHost | undefined;
    let forgetNames: (() => void) | undefined;
    let recorder: ResponseRecorder | undefined;
    const running = (): SandboxHost => {
      if (!host) throw new Error('The host has not been started.');
      return host;
    };
    beforeAll(async () => {
      host = await createSandboxHost({ ...options, isolation, ...(tls && { tls, domain: testDomain }) });
      recorder = new ResponseRecorder(portOf(host));
      if (host.certificate) forgetNames = leadHere(testDomain, host.certificate);
    });
    afterAll(async () => {
      await host?.close();
      forgetNames?.();
      recorder?.[Symbol.dispose]();
      // Whatever the tests asked for: E2B's SDKs in other languages read no other shapes.
      expect([...(recorder?.problems ?? [])], "responses that differ from E2B's documents").toEqual([]);
    });
    suite({
      isolation,
      sdk,
      get host() {
        return running();
      },
      get responses() {
        if (!recorder) throw new Error('The host has not been started.');
        return recorder;
      },
      get connection() {
        const { apiUrl, sandboxUrl, apiKey, domain } = running();
        return domain ? { apiUrl, apiKey, domain } : { apiUrl, apiKey, sandboxUrl };
      },
      create(template = 'base', options = {}) {
        return sdk.Sandbox.create(template, { ...this.connection, ...options });
      },
    });
  });
}

function portOf({ apiUrl, domain }: SandboxHost): number {
  return Number(new URL(domain ? `https://${domain}` : apiUrl).port || 443);
}

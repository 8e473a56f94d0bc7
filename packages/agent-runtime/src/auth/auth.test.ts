import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';

afterEach(() => vi.unstubAllEnvs());

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('a bearer token', () => {
  eachServer('is asked for on everything but ping and preflight', async (serve) => {
    const send = await serve(agent(() => 'in', { auth: { bearerToken: 'secret' } }));
    for (const [path, init] of [
      ['/invocations', post({})],
      ['/'],
      ['/metrics'],
      ['/invocations/x'],
      ['/nowhere'],
    ] as const) {
      const response = await send(path, init);
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([
        path,
        401,
        'Bearer',
      ]);
      expect((await json(response)).error_type).toBe('unauthenticated');
    }
    expect((await send('/ping')).status).toBe(200);
    expect((await send('/invocations', { method: 'OPTIONS' })).status).toBe(204);
  });

  for (const [what, headers] of [
    ['another', bearer('secreT')],
    ['a longer one', bearer('secret2')],
    ['another scheme', { authorization: 'Basic secret' }],
    ['an empty one', { authorization: 'Bearer ' }],
  ] as const) {
    eachServer(`lets ${what} not in`, async (serve) => {
      const send = await serve(agent(() => 'in', { auth: { bearerToken: 'secret' } }));
      expect((await send('/invocations', post({}, headers))).status).toBe(401);
    });
  }

  eachServer('lets the right one in, and does not show it to the handler', async (serve) => {
    const send = await serve(agent((_, context) => context.headers, { auth: { bearerToken: 'secret' } }));
    const response = await send('/invocations', post({}, bearer('secret')));
    expect(response.status).toBe(200);
    expect(await response.text()).not.toContain('secret');
  });

  test('comes from the environment too', async () => {
    vi.stubEnv('AGENT_RUNTIME_AUTH_TOKEN', 'from-env');
    await using app = agent(() => 'in');
    const request = (token: string): Request =>
      new Request('http://agent/invocations', post({}, bearer(token)));
    expect((await app.fetch(request('other'))).status).toBe(401);
    expect((await app.fetch(request('from-env'))).status).toBe(200);
  });
});

describe('a signed token', async () => {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA');
  const pem = await exportSPKI(publicKey);
  const sign = (claims: Record<string, unknown>, expiry = '1m', key = privateKey): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', kid: 'k' }).setExpirationTime(expiry).sign(key);

  eachServer('is judged by signature, expiry, issuer and audience', async (serve) => {
    const jwt = { publicKey: pem, issuer: 'gateway', audience: 'agents' };
    const send = await serve(agent(() => 'in', { auth: { jwt } }));
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await send('/invocations', post({}, headers))).status;
    const right = { iss: 'gateway', aud: 'agents' };
    expect(await status(bearer(await sign(right)))).toBe(200);
    expect(await status({ 'x-gateway-token': await sign(right) })).toBe(200);
    expect(await status({})).toBe(401);
    expect(await status(bearer('nonsense'))).toBe(401);
    expect(await status(bearer(await sign(right, '-1m')))).toBe(401);
    expect(await status(bearer(await sign({ ...right, iss: 'other' })))).toBe(401);
    expect(await status(bearer(await sign({ ...right, aud: 'other' })))).toBe(401);
    const stranger = await generateKeyPair('EdDSA');
    expect(await status(bearer(await sign(right, '1m', stranger.privateKey)))).toBe(401);
    const none = `${btoa('{"alg":"none"}').replaceAll('=', '')}.${btoa('{"iss":"gateway","aud":"agents","exp":9999999999}').replaceAll('=', '')}.`;
    expect(await status(bearer(none))).toBe(401);
    const endless = await new SignJWT(right).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
    expect(await status(bearer(endless))).toBe(401);
  });

  test('that names a sandbox opens that one only, with the key from the environment', async () => {
    vi.stubEnv('AGENT_RUNTIME_AUTH_JWT_PUBLIC_KEY', pem.replaceAll('\n', '\\n'));
    vi.stubEnv('E2B_SANDBOX_ID', 'mine');
    await using app = agent((_, context) => context.headers);
    const send = async (sid: string): Promise<Response> =>
      app.fetch(
        new Request('http://agent/invocations', post({}, { 'x-gateway-token': await sign({ sid }) })),
      );
    const mine = await send('mine');
    expect(mine.status).toBe(200);
    expect(await mine.text()).not.toContain('x-gateway-token');
    expect((await send('yours')).status).toBe(401);
  });

  test('is judged again when it has expired, and leaves the caller its own authorization', async () => {
    await using app = agent((_, context) => context.headers.authorization ?? 'none', {
      auth: { jwt: { publicKey: pem } },
    });
    const send = (headers: Record<string, string>): Promise<Response> =>
      app.fetch(new Request('http://agent/invocations', post({}, headers)));
    const token = await sign({}, '2s');
    const both = { 'x-gateway-token': token, authorization: 'Bearer of the caller' };
    for (let i = 0; i < 2; i++)
      expect(await json(await send(both))).toMatchObject({ result: 'Bearer of the caller' });
    expect(await json(await send(bearer(token)))).toMatchObject({ result: 'none' });
    await vi.waitFor(async () => expect((await send(both)).status).toBe(401), { timeout: 5000 });
  });

  test('may be signed by any key of a key set', async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'EdDSA' };
    const server = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    await using app = agent(() => 'in', { auth: { jwt: { jwks } } });
    const send = async (token: string): Promise<number> =>
      (await app.fetch(new Request('http://agent/invocations', post({}, bearer(token))))).status;
    expect(await send(await sign({}))).toBe(200);
    const stranger = await generateKeyPair('EdDSA');
    expect(await send(await sign({}, '1m', stranger.privateKey))).toBe(401);
  });

  test('needs one key, not none and not two', () => {
    expect(() => new AgentRuntimeApp({ config: { auth: { jwt: {} } } })).toThrow(/publicKey or a jwks/);
  });
});

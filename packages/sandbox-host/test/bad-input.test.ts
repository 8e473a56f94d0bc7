import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

interface Operation {
  method: string;
  path: string;
  parameters: { name: string; in: string }[];
  hasBody: boolean;
}

describeHosts(
  'the control plane under bad input',
  (fixture) => {
    async function operations(): Promise<Operation[]> {
      const response = await fetch(`${fixture.host.apiUrl}/openapi.json`);
      const { paths } = (await response.json()) as {
        paths: Record<
          string,
          Record<string, { parameters: { name: string; in: string }[]; requestBody?: unknown }>
        >;
      };
      return Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { parameters, requestBody }]) => ({
          method: method.toUpperCase(),
          path,
          parameters,
          hasBody: requestBody !== undefined,
        })),
      );
    }

    test('describes every route, with its parameters and body', async () => {
      const found = await operations();
      expect(found.length).toBeGreaterThan(40);
      expect(found).toContainEqual({ method: 'POST', path: '/v2/sandboxes', parameters: [], hasBody: true });
      expect(found).toContainEqual(
        expect.objectContaining({ method: 'GET', path: '/templates/{templateID}/builds/{buildID}/status' }),
      );
      expect(found).toContainEqual(
        expect.objectContaining({ method: 'PUT', path: '/volumecontent/{volumeID}/file', hasBody: true }),
      );
    });

    test('refuses what it does not know in a body by its name, on every route', async () => {
      const send = async (method: string, path: string, body: unknown): Promise<string> => {
        const response = await fetch(`${fixture.host.apiUrl}${path.replace(/\{\w+\}/g, 'x')}?path=/x`, {
          method,
          headers: { 'x-api-key': fixture.host.apiKey, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        return `${response.status} ${await response.text()}`;
      };
      const document = await fetch(`${fixture.host.apiUrl}/openapi.json`);
      const { paths } = (await document.json()) as {
        paths: Record<string, Record<string, { requestBody?: { content: Record<string, unknown> } }>>;
      };
      const withJson = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods)
          .filter(([, { requestBody }]) => requestBody?.content['application/json'])
          .map(([method]) => [method.toUpperCase(), path] as const),
      );
      // What a template says of itself is its deployer's own.
      const free = '/x/templates/{templateID}/metadata';
      expect(withJson.map(([, path]) => path)).toContain(free);
      expect(withJson.length).toBeGreaterThan(18);
      for (const [method, path] of withJson.filter(([, path]) => path !== free)) {
        const answer = await send(method, path, { tiemout: 1 });
        expect(answer, `${method} ${path}`).toMatch(/^400 .*body\.tiemout: is not known here/);
      }
      const inside = { name: 'x', path: '/x', readOnly: true };
      expect(await send('POST', '/v2/sandboxes', { templateID: 'base', volumeMounts: [inside] })).toMatch(
        /^400 .*body\.volumeMounts\.0\.readOnly: is not known here/,
      );
      for (const [name, value] of Object.entries({ network: { allow: [] }, autoResume: { enable: true } }))
        expect(await send('POST', '/v2/sandboxes', { templateID: 'base', [name]: value })).toMatch(
          new RegExp(`^400 .*body\\.${name}\\.\\w+: is not known here`),
        );
      const metadata = { limits: { diskMb: 64 } };
      expect(await send('PUT', '/x/templates/base/metadata', metadata)).toMatch(
        /^400 .*metadata\.limits.*diskMb/,
      );
    });

    test('takes what E2B’s SDKs send and what means nothing here', async () => {
      const build = { name: `ignored-${Date.now()}`, teamID: 'team', minFreeDiskMb: 20_480 };
      const post = (path: string, body: unknown) =>
        fetch(fixture.host.apiUrl + path, {
          method: 'POST',
          headers: { 'x-api-key': fixture.host.apiKey },
          body: JSON.stringify(body),
        });
      const made = await post('/v3/templates', build);
      expect(made.status).toBe(202);
      const { templateID, buildID } = (await made.json()) as { templateID: string; buildID: string };
      const read = await fetch(`${fixture.host.apiUrl}/templates/${templateID}`, {
        headers: { 'x-api-key': fixture.host.apiKey },
      });
      expect(await read.json()).toMatchObject({ builds: [{ diskSizeMB: 20_480 }] });
      const args = { args: ['true'], forceUpload: true, resolveSymlinks: false, gzip: true };
      const started = await post(`/v2/templates/${templateID}/builds/${buildID}`, {
        fromTemplate: 'base',
        fromImageRegistry: { type: 'registry', username: 'u', password: 'p' },
        steps: [{ type: 'RUN', ...args }],
      });
      expect(started.status).toBe(202);
    });

    test('refuses nonsense on every route with a code and a message, and goes on serving', async () => {
      const found = await operations();
      // Answers that are no refusal are right where nothing about the request is wrong; never is a failure right.
      const allowed = new Set([200, 201, 204, 400, 401, 403, 404, 409, 413, 501]);
      const volume = await fixture.sdk.Volume.create('fuzzed', fixture.connection);
      const word = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.constantFrom(
          '..',
          '../../etc/passwd',
          '%00',
          'a'.repeat(3_000),
          '__proto__',
          '-1',
          '1e99',
          'NaN',
          '',
        ),
      );
      const body = fc.oneof(
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc.constantFrom(
          '[',
          'null',
          '{"__proto__":{"templateID":"base"}}',
          '{"templateID":7}',
          '['.repeat(20_000),
        ),
        fc
          .record({ templateID: word, timeout: fc.oneof(fc.double(), word), metadata: fc.jsonValue() })
          .map((value) => JSON.stringify(value)),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...found),
          fc.array(word, { minLength: 8, maxLength: 8 }),
          body,
          async (operation, words, text) => {
            let next = 0;
            const value = (): string => encodeURIComponent(words[next++ % words.length] ?? '');
            // Of the one volume there is, so that its token opens it.
            const path = operation.path
              .replace(/(?<=^\/volumecontent\/)\{\w+\}/, volume.volumeId)
              .replace(/\{\w+\}/g, () => value() || 'x');
            const query = operation.parameters
              .filter((one) => one.in === 'query')
              .map((one) => `${one.name}=${value()}`);
            const response = await fetch(`${fixture.host.apiUrl}${path}?${query.join('&')}`, {
              method: operation.method,
              headers: { 'x-api-key': fixture.host.apiKey, authorization: `Bearer ${volume.token}` },
              ...(operation.method === 'GET' ? {} : { body: text }),
            });
            const answer = await response.text();
            expect(allowed, `${operation.method} ${path} ${text}: ${response.status} ${answer}`).toContain(
              response.status,
            );
            if (response.status >= 400) {
              expect(JSON.parse(answer)).toEqual({ code: response.status, message: expect.any(String) });
            }
          },
        ),
        { numRuns: 400 },
      );
      const sandbox = await fixture.create();
      expect((await sandbox.commands.run('echo fine')).stdout).toBe('fine\n');
      await sandbox.kill();
    }, 180_000);
  },
  { withTls: true },
);

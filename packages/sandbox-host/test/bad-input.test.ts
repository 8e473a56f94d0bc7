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

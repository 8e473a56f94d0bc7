import { expect, test } from 'vitest';
import { controlPlane, envd } from './e2b-spec/operations.js';
import { describeHosts } from './with-host.js';

describeHosts("E2B's OpenAPI documents", (fixture) => {
  async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${fixture.host.apiUrl}${path}`, {
      method,
      headers: { 'X-API-KEY': fixture.connection.apiKey, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
  }

  test('describe what each operation of sandboxes responds with', async () => {
    const made = await ask('POST', '/v2/sandboxes', { templateID: 'base', metadata: { a: 'b' } });
    const id = made.sandboxID;
    const other = await ask('POST', '/sandboxes', { templateID: 'base' });
    for (const path of [
      '/sandboxes',
      '/v2/sandboxes',
      `/sandboxes/${id}`,
      `/sandboxes/metrics?sandbox_ids=${id}`,
    ])
      await ask('GET', path);
    for (const path of ['logs', 'metrics']) await ask('GET', `/sandboxes/${id}/${path}`);
    await ask('GET', `/v2/sandboxes/${id}/logs`);
    await ask('POST', `/sandboxes/${id}/timeout`, { timeout: 100 });
    await ask('POST', `/sandboxes/${id}/refreshes`, { duration: 100 });
    await ask('PUT', `/sandboxes/${id}/network`, { allow_internet_access: true });
    for (const [pause, wake] of [
      ['pause', `/sandboxes/${id}/connect`],
      ['pause', `/v2/sandboxes/${id}/connect`],
    ] as const) {
      await ask('POST', wake, { timeout: 100 });
      await ask('POST', `/sandboxes/${id}/${pause}`);
      await ask('POST', wake, { timeout: 100 });
    }
    await ask('POST', `/sandboxes/${id}/pause`);
    await ask('POST', `/sandboxes/${id}/resume`, { timeout: 100 });
    await ask('POST', `/sandboxes/${id}/snapshots`, {});
    await ask('GET', '/snapshots');
    const forks = await ask('POST', `/sandboxes/${id}/fork`, { count: 1 });

    const inside = {
      'E2b-Sandbox-Id': id,
      'E2b-Sandbox-Port': '49983',
      'X-Access-Token': made.envdAccessToken,
    };
    const file = { ...inside, 'content-type': 'application/octet-stream' };
    for (const path of ['/health', '/metrics', '/envs']) await ask('GET', path, undefined, inside);
    await ask('POST', '/files?path=one', 'content', file);
    await ask('POST', '/files/compose', { source_paths: ['one'], destination: 'two' }, inside);
    expect(await ask('GET', '/files?path=two', undefined, inside)).toBe('content');
    await ask('GET', '/files?path=none', undefined, inside);
    for (const one of [id, other.sandboxID, forks[0].sandbox.sandboxID])
      await ask('DELETE', `/sandboxes/${one}`);
    await ask('GET', `/sandboxes/${id}`);
  });

  test('describe what each operation of templates and volumes responds with', async () => {
    const { templateID, buildID } = await ask('POST', '/v3/templates', { name: 'documented' });
    const template = `/templates/${templateID}`;
    await ask('GET', `${template}/files/${'ab'.repeat(32)}`);
    const failing = { fromTemplate: 'base', steps: [{ type: 'RUN', args: ['exit 1'] }] };
    await ask('POST', `/v2${template}/builds/${buildID}`, failing);
    const status = async (id: string) => (await ask('GET', `${template}/builds/${id}/status`)).status;
    await expect.poll(() => status(buildID), { timeout: 20_000 }).toBe('error');
    const again = await ask('POST', '/v3/templates', { name: 'documented' });
    await ask('POST', `/v2${template}/builds/${again.buildID}`, { fromTemplate: 'base' });
    await expect.poll(() => status(again.buildID), { timeout: 20_000 }).toBe('ready');
    await ask('GET', `${template}/builds/${buildID}/logs`);
    for (const path of ['/templates', '/v2/templates', template, '/templates/aliases/documented'])
      await ask('GET', path);
    await ask('POST', '/templates/tags', { target: 'documented', tags: ['stable'] });
    await ask('GET', `${template}/tags`);
    await ask('DELETE', '/templates/tags', { name: 'documented', tags: ['stable'] });
    for (const path of [template, `/v2${template}`]) await ask('PATCH', path, { public: false });
    await ask('DELETE', template);

    const { volumeID, token } = await ask('POST', '/volumes', { name: 'documented' });
    for (const path of ['/volumes', `/volumes/${volumeID}`]) await ask('GET', path);
    const content = (method: string, path: string, body?: unknown) =>
      ask(method, `/volumecontent/${volumeID}/${path}`, body, { authorization: `Bearer ${token}` });
    await content('POST', 'dir?path=/folder');
    await content('PUT', 'file?path=/folder/file', 'content');
    expect(await content('GET', 'file?path=/folder/file')).toBe('content');
    for (const path of ['dir?path=/', 'path?path=/folder/file', 'path?path=/none'])
      await content('GET', path);
    await content('PATCH', 'path?path=/folder/file', { mode: 0o600 });
    await content('DELETE', 'path?path=/folder');
    await ask('DELETE', `/volumes/${volumeID}`);
  });

  // Has to come last. That the responses were as documented is held to after every suite.
  test('have no operation that this host does not carry out', () => {
    const documented = [...controlPlane, ...envd].flatMap(({ name, success }) =>
      Object.keys(success).map((status) => `${name} ${status}`),
    );
    expect([...fixture.responses.seen].sort()).toEqual(documented.sort());
  });
});

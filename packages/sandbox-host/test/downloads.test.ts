import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts('a download', (fixture) => {
  test('is a part, a head, or nothing, as it is asked for', async () => {
    const sandbox = await fixture.create();
    await sandbox.files.write('page.html', '0123456789');
    const url = `${fixture.host.sandboxUrl}/files?path=page.html`;
    const { envdAccessToken } = sandbox as unknown as { envdAccessToken: string };
    const own = {
      'e2b-sandbox-id': sandbox.sandboxId,
      'e2b-sandbox-port': '49983',
      'x-access-token': envdAccessToken,
      'accept-encoding': 'identity',
    };
    const ask = (headers: Record<string, string> = {}, method = 'GET') =>
      fetch(url, { method, headers: { ...own, ...headers } });
    const whole = await ask();
    const { headers } = whole;
    expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect([headers.get('accept-ranges'), headers.get('content-length')]).toEqual(['bytes', '10']);
    expect(headers.get('content-security-policy')).toBe('sandbox');
    const modified = headers.get('last-modified') ?? '';
    expect(Math.abs(Date.parse(modified) - Date.now())).toBeLessThan(600_000);
    for (const [range, part, content] of [
      ['bytes=2-4', '2-4', '234'],
      ['bytes=7-', '7-9', '789'],
      ['bytes=-2', '8-9', '89'],
      ['bytes=5-1000', '5-9', '56789'],
      ['bytes=-1000', '0-9', '0123456789'],
    ] as const) {
      const response = await ask({ range });
      expect([response.status, response.headers.get('content-range'), await response.text()]).toEqual([
        206,
        `bytes ${part}/10`,
        content,
      ]);
    }
    for (const range of ['bytes=10-', 'bytes=-0']) {
      const response = await ask({ range });
      expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    }
    for (const range of ['bytes=0-1,4-5', 'lines=1-2', 'bytes=4-2', 'bytes=x-y'])
      expect((await ask({ range })).status).toBe(200);
    expect((await ask({ range: 'bytes=0-0', 'if-range': modified })).status).toBe(206);
    expect((await ask({ range: 'bytes=0-0', 'if-range': new Date(0).toUTCString() })).status).toBe(200);
    expect((await ask({ 'if-modified-since': modified })).status).toBe(304);
    expect((await ask({ 'if-modified-since': new Date(0).toUTCString() })).status).toBe(200);
    const head = await ask({}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
    await sandbox.files.write('empty', '');
    expect(await sandbox.files.read('empty')).toBe('');
    if (fixture.isolation === 'namespaces')
      expect(await sandbox.files.read('/proc/version')).toContain('Linux');
    await sandbox.kill();
  });

  test('of a volume is a part, too', async () => {
    const { Volume } = fixture.sdk;
    const volume = await Volume.create(`part-${fixture.isolation}`, fixture.connection);
    await volume.writeFile('/notes.txt', '0123456789', { apiUrl: fixture.host.apiUrl });
    const { token, volumeId } = volume as unknown as { token: string; volumeId: string };
    const response = await fetch(`${fixture.host.apiUrl}/volumecontent/${volumeId}/file?path=/notes.txt`, {
      headers: { authorization: `Bearer ${token}`, range: 'bytes=3-5' },
    });
    expect([response.status, response.headers.get('content-range'), await response.text()]).toEqual([
      206,
      'bytes 3-5/10',
      '345',
    ]);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    await fixture.sdk.Volume.destroy(volumeId, fixture.connection);
  });
});

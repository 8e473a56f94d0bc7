import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canIsolate, deployed, needsIsolation, processesIn } from '../deployed.mjs';
import { deploy } from './deploy.mjs';

const place = deployed('web-navigator', deploy);
const hasChromium = existsSync('/usr/lib/chromium/chromium');
const why = hasChromium ? '' : ' (skipped: Debian’s package chromium is not installed)';

/** Serves the test's pages inside the sandbox, and counts how many are being loaded at once. */
const server = `
const page = '<title>The shop</title><h1>Apples</h1><p class="price" data-currency="EUR">3</p><p class="price">4</p>' +
  '<p hidden>secret</p><a href="/more">More</a><div style="height: 3000px"></div>';
let open = 0;
let most = 0;
require('node:http').createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  if (request.url === '/never') return;
  if (request.url === '/most') return response.end(String(most));
  if (request.url === '/late') return response.end('<script>setTimeout(() => document.body.append(Object.assign(document.createElement("b"), { textContent: "late" })), 300)</script>');
  if (!request.url.startsWith('/slow')) return response.end(page);
  open += 1;
  most = Math.max(most, open);
  setTimeout(() => { open -= 1; response.end(page); }, 2_000);
}).listen(3000, '127.0.0.1', () => console.log('ready'));`;

const site = 'http://127.0.0.1:3000';

describe.skipIf(!hasChromium || !canIsolate)(
  `the web navigator, in a sandbox (${needsIsolation})${why}`,
  () => {
    let session;
    let sandbox;

    // One sandbox for all: what it costs is Chromium's start.
    beforeAll(async () => {
      session = await place.client.createSession('web-navigator');
      sandbox = await place.sandbox(session);
      await sandbox.files.write('site.cjs', server);
      let ready = () => {};
      const listening = new Promise((resolve) => {
        ready = resolve;
      });
      await sandbox.commands.run('node site.cjs', {
        background: true,
        timeoutMs: 0,
        onStdout: () => ready(),
      });
      await listening;
    }, 60_000);

    afterAll(() => session?.close());

    test('opens a page and gives what is wanted of it', { timeout: 60_000 }, async () => {
      const request = { url: `${site}/shop`, selectors: ['.price'], want: ['text', 'links', 'screenshot'] };
      const [page, prices, text, links, screenshot] = await session.stream(request).collect();
      expect(page).toEqual({ type: 'page', url: `${site}/shop`, status: 200, title: 'The shop' });
      expect(prices).toMatchObject({
        selector: '.price',
        elements: [
          { tag: 'p', text: '3', attributes: { class: 'price', 'data-currency': 'EUR' } },
          { tag: 'p', text: '4', attributes: { class: 'price' } },
        ],
      });
      expect(text.text).toContain('Apples');
      expect(text.text).not.toContain('secret');
      expect(links).toEqual({
        type: 'links',
        links: [{ text: 'More', href: `${site}/more` }],
        truncated: false,
      });
      expect(sizeOf(screenshot)).toEqual([1280, 800]);
    });

    test('takes a screenshot of a whole page', { timeout: 60_000 }, async () => {
      const [, screenshot] = await session
        .stream({ url: site, want: ['screenshot'], fullPage: true })
        .collect();
      const [width, height] = sizeOf(screenshot);
      expect(width).toBe(1280);
      expect(height).toBeGreaterThan(3000);
    });

    test('waits for what a page makes later', { timeout: 60_000 }, async () => {
      const [, text] = await session.stream({ url: `${site}/late`, waitFor: 'b' }).collect();
      expect(text.text).toBe('late');
    });

    test('has four pages open at most, and the others wait', { timeout: 90_000 }, async () => {
      const visits = Array.from({ length: 6 }, (_, i) =>
        session.stream({ url: `${site}/slow${i}`, want: [], timeoutMs: 60_000 }).collect(),
      );
      for (const [page] of await Promise.all(visits)) expect(page).toMatchObject({ title: 'The shop' });
      const [, most] = await session.stream({ url: `${site}/most` }).collect();
      expect(Number(most.text)).toBeGreaterThan(1);
      expect(Number(most.text)).toBeLessThanOrEqual(4);
    });

    test('starts its browser again after a crash', { timeout: 60_000 }, async () => {
      await endProcesses(sandbox, '/usr/lib/chromium/chromium', 'KILL');
      // The visit that meets the crash may fail by it.
      await expect
        .poll(
          () =>
            session
              .stream({ url: site })
              .collect()
              .catch(() => []),
          { timeout: 30_000 },
        )
        .toContainEqual(expect.objectContaining({ title: 'The shop' }));
    });

    // Too early for there to be a page, while it is made, and long after.
    test.each([100, 150, 200, 400, 2_000])('gives a page up when its %i ms are over', async (timeoutMs) => {
      const reading = session.stream({ url: `${site}/never`, timeoutMs }).collect();
      await expect(reading).rejects.toMatchObject({
        errorType: 'PageTimeoutError',
        message: expect.stringContaining(`${timeoutMs} ms`),
      });
    });

    test.each([
      ['file:///etc/passwd', 'ValidationError'],
      ['chrome://version', 'ValidationError'],
    ])('refuses %s', async (url, name) => {
      await expect(session.invoke({ url })).rejects.toMatchObject({ name });
    });

    test('ends its browser when it is told to stop', { timeout: 60_000 }, async () => {
      const browser = expect.stringContaining('/chromium');
      expect(await processesIn(sandbox)).toContainEqual(browser);
      await endProcesses(sandbox, 'node agent.js', 'TERM');
      await expect.poll(() => processesIn(sandbox), { timeout: 20_000 }).not.toContainEqual(browser);
    });
  },
);

/** Sends a signal to what runs in a sandbox under a command line that begins so. */
async function endProcesses(sandbox, command, signal) {
  await sandbox.commands.run(
    `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q '^${command}' && kill -${signal} \${p#/proc/}; done 2>/dev/null; true`,
  );
}

/** Width and height of a PNG, as its header says. */
function sizeOf({ base64 }) {
  const png = Buffer.from(base64, 'base64');
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
}

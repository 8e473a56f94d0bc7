import type { Page } from 'playwright-core';
import type { PageRequest } from './request.js';

/** What a visit finds, as it finds it. */
export type Finding =
  | { type: 'page'; url: string; status: number | null; title: string }
  | { type: 'text'; text: string; truncated: boolean }
  | { type: 'links'; links: { text: string; href: string }[]; truncated: boolean }
  | { type: 'elements'; selector: string; elements: Element[]; truncated: boolean }
  | { type: 'screenshot'; mediaType: 'image/png'; width: number; height: number; base64: string };

/** An element that a selector found. */
interface Element {
  tag: string;
  text: string;
  attributes: Record<string, string>;
}

/** How much of a page is taken; the rest is said to be missing. */
const most = {
  text: 50_000,
  links: 500,
  elements: 200,
  elementText: 2_000,
  attribute: 1_000,
  height: 10_000,
};

/** Opens a URL and gives what is wanted of it. @throws playwright's errors, which name the selector or the URL. */
export async function* visit(
  page: Page,
  { url, waitFor, want, selectors, fullPage }: PageRequest,
): AsyncGenerator<Finding> {
  // The limit is the whole visit’s, and kept by its signal.
  page.setDefaultTimeout(0);
  // A page that asks something would wait for ever.
  page.on('dialog', (dialog) => dialog.dismiss().catch(() => {}));
  const response = await page.goto(url, { waitUntil: 'load' });
  if (waitFor !== undefined) await page.waitForSelector(waitFor);
  yield { type: 'page', url: page.url(), status: response?.status() ?? null, title: await page.title() };
  for (const selector of selectors) yield await elementsOf(page, selector);
  for (const one of want) {
    if (one === 'text') yield await textOf(page);
    else if (one === 'links') yield await linksOf(page);
    else yield await screenshotOf(page, fullPage);
  }
}

async function textOf(page: Page): Promise<Finding> {
  // biome-ignore lint/performance/useDomNodeTextContent: what a reader sees, not what is hidden from them.
  const text = await page.locator('body').innerText();
  return { type: 'text', text: text.slice(0, most.text), truncated: text.length > most.text };
}

async function linksOf(page: Page): Promise<Finding> {
  const links = await page.locator('a[href]').evaluateAll(
    (anchors, max) =>
      anchors.slice(0, max.links + 1).map((anchor) => ({
        text: (anchor.textContent ?? '').trim().slice(0, max.elementText),
        // An SVG's is an object.
        href: String(anchor.href.baseVal ?? anchor.href).slice(0, max.attribute),
      })),
    most,
  );
  return { type: 'links', links: links.slice(0, most.links), truncated: links.length > most.links };
}

async function elementsOf(page: Page, selector: string): Promise<Finding> {
  const elements = await page.locator(`css=${selector}`).evaluateAll(
    (all, max) =>
      all.slice(0, max.elements + 1).map((element) => ({
        tag: element.tagName.toLowerCase(),
        text: (element.textContent ?? '').trim().slice(0, max.elementText),
        attributes: Object.fromEntries(
          [...element.attributes]
            .slice(0, 50)
            .map(({ name, value }) => [name, value.slice(0, max.attribute)]),
        ),
      })),
    most,
  );
  const truncated = elements.length > most.elements;
  return { type: 'elements', selector, elements: elements.slice(0, most.elements), truncated };
}

async function screenshotOf(page: Page, fullPage: boolean): Promise<Finding> {
  const { width = 0, height: viewportHeight = 0 } = page.viewportSize() ?? {};
  const wanted = fullPage ? await page.locator('html').evaluate((html) => html.scrollHeight) : viewportHeight;
  const height = Math.min(Math.max(wanted, 1), most.height);
  const png = await page.screenshot({ type: 'png', fullPage, clip: { x: 0, y: 0, width, height } });
  return { type: 'screenshot', mediaType: 'image/png', width, height, base64: png.toString('base64') };
}

import { access } from 'node:fs/promises';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Where Debian's package has it: the program itself, for `chromium` is a script with options of its own. */
const executablePath = '/usr/lib/chromium/chromium';
const maxPages = 4;
const viewport = { width: 1280, height: 800 };

/** The machine lacks the browser. */
class MissingBrowserError extends Error {
  override readonly name = 'MissingBrowserError';
  /** Told to the caller as "not implemented": asking again will not help. */
  readonly status = 501;
}

/** The one browser of a sandbox, started when it is first needed, and again when it has crashed. */
export class SharedBrowser {
  #browser: Promise<Browser> | undefined;
  #open = 0;
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  /**
   * Opens a page that shares nothing with others, once there is a place for it. Disposing of it leaves nothing.
   *
   * @param signal - Closes the page, wherever it is.
   * @throws MissingBrowserError, or the signal's reason.
   */
  async open(signal: AbortSignal): Promise<AsyncDisposable & { page: Page }> {
    await this.#takePlace(signal);
    try {
      const browser = await this.#start();
      const context = await browser.newContext({ viewport, acceptDownloads: false });
      const close = (): Promise<void> => context.close().catch(() => {});
      const onAbort = (): void => {
        close().catch(console.error);
      };
      try {
        // Closing a context while it makes its page would have neither come to an end.
        const page = await context.newPage();
        signal.throwIfAborted();
        signal.addEventListener('abort', onAbort, { once: true });
        return {
          page,
          [Symbol.asyncDispose]: async () => {
            signal.removeEventListener('abort', onAbort);
            await close();
            this.#givePlace();
          },
        };
      } catch (error) {
        await close();
        throw error;
      }
    } catch (error) {
      this.#givePlace();
      throw error;
    }
  }

  /** Ends the browser. */
  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#browser?.catch(() => undefined))?.close();
  }

  #start(): Promise<Browser> {
    if (this.#closed) throw new Error('The agent is stopping.');
    this.#browser ??= this.#launch();
    return this.#browser;
  }

  /** One that could not be started, or has crashed, is started again for the next page. */
  async #launch(): Promise<Browser> {
    const forget = (): void => {
      this.#browser = undefined;
    };
    try {
      const browser = await launch();
      browser.once('disconnected', forget);
      return browser;
    } catch (error) {
      forget();
      throw error;
    }
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#open < maxPages) {
      this.#open += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(place), 1);
        reject(signal.reason);
      };
      const place = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.#waiting.push(place);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The next in line takes the place over, if there is one. */
  #givePlace(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#open -= 1;
  }
}

async function launch(): Promise<Browser> {
  try {
    await access(executablePath);
  } catch {
    throw new MissingBrowserError(
      'This machine has no Chromium: install it where sandboxes run (Debian: apt-get install chromium).',
    );
  }
  return chromium.launch({
    executablePath,
    // The sandbox around it is the boundary: Chromium's own needs privileges that there are none of in there.
    chromiumSandbox: false,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [
      // Beside what playwright says itself: no first run, no updates, no /dev/shm, a new profile.
      '--disable-gpu',
      '--disable-quic',
      `--renderer-process-limit=${maxPages}`,
      '--js-flags=--max-old-space-size=512',
    ],
  });
}

import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { SharedBrowser } from './browser.js';
import { PageTimeoutError } from './page-timeout-error.js';
import { requestSchema } from './request.js';
import { type Finding, visit } from './visit.js';

const app = new AgentRuntimeApp({ config: { maxConcurrency: 16 } });
const browser = new SharedBrowser();
app.onStop(() => browser.close());

app.entrypoint({ input: requestSchema }, async function* (request, context): AsyncGenerator<Finding> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new PageTimeoutError(request.timeoutMs)), request.timeoutMs);
  const signal = AbortSignal.any([context.signal, late.signal]);
  try {
    await using opened = await browser.open(signal);
    yield* visit(opened.page, request);
  } catch (error) {
    // A page that was closed says so; why it was, the signal says.
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
});

app.run();

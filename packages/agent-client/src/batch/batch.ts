import { ValidationError } from '@sandpiper/protocol';
import { checkOptions } from '../check-options.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import type { CallOptions } from '../invocation/call-options.js';
import type { InvocationInput } from '../invocation/request.js';
import type { InvocationResponse } from '../invocation/response.js';
import type { CreateSessionOptions } from '../sessions/create-session-options.js';
import type { SandboxSession } from '../sessions/sandbox-session.js';

/** How a batch is worked through. The options of calls hold for each of them. */
export interface BatchOptions extends Omit<CallOptions, 'idempotencyKey' | 'requestId'> {
  /** How many calls are under way at once. Default: 4. */
  concurrency?: number | undefined;
  /** How many sandboxes share them. Default: `concurrency`, so that no two calls share one at a time. */
  sessions?: number | undefined;
  /** How the sandboxes are made. */
  session?: Omit<CreateSessionOptions, 'runtimeSessionId' | 'idempotencyKey'> | undefined;
  /** Called after each call with how far the batch is. */
  onProgress?: ((progress: BatchProgress) => void) | undefined;
}

/** How far a batch is. */
export interface BatchProgress {
  succeeded: number;
  failed: number;
}

/** What became of one request of a batch. */
export type BatchResult = { index: number; request: InvocationInput } & (
  | { response: InvocationResponse; error?: undefined }
  | { response?: undefined; error: unknown }
);

/** A place for one sandbox, which is made when it is first needed, and again when it is lost. */
interface Slot {
  session: Promise<SandboxSession> | undefined;
  calls: number;
}

/**
 * Works through requests and gives each result as it comes, no faster than it is read. Leaving early ends what runs.
 */
export async function* batch(
  createSession: (signal: AbortSignal) => Promise<SandboxSession>,
  requests: Iterable<InvocationInput> | AsyncIterable<InvocationInput>,
  options: BatchOptions,
): AsyncGenerator<BatchResult, void, undefined> {
  const { concurrency = 4, sessions = concurrency, session: _, onProgress, signal: outer, ...call } = options;
  checkOptions('call', call);
  for (const [name, count] of Object.entries({ concurrency, sessions })) {
    if (!(Number.isInteger(count) && count > 0))
      throw new ValidationError(`${name} must be 1 or more, not ${count}.`);
  }
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const slots = Array.from({ length: sessions }, (): Slot => ({ session: undefined, calls: 0 }));
  const running = new Map<number, Promise<BatchResult>>();
  const progress = { succeeded: 0, failed: 0 };

  const run = async (index: number, request: InvocationInput): Promise<BatchResult> => {
    const slot = slots.reduce((least, other) => (other.calls < least.calls ? other : least));
    slot.calls += 1;
    slot.session ??= createSession(signal);
    try {
      const session = await slot.session;
      return { index, request, response: await session.invoke(request, { ...call, signal }) };
    } catch (error) {
      if (await isLost(slot.session, error)) slot.session = undefined;
      return { index, request, error };
    } finally {
      slot.calls -= 1;
    }
  };

  const source =
    Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
  let asked: Promise<IteratorResult<InvocationInput>> | undefined;
  let more = true;
  try {
    for (let index = 0; more || running.size > 0; ) {
      if (more && running.size < concurrency) asked ??= Promise.resolve(source.next());
      // A result does not wait for the next request, nor a request for a result while there is room.
      const first = await Promise.race([...running.values(), ...(asked ? [asked] : [])]);
      signal.throwIfAborted();
      if ('index' in first) {
        yield settle(first);
        continue;
      }
      asked = undefined;
      if (first.done) more = false;
      else running.set(index, run(index++, first.value));
    }
  } finally {
    stop.abort();
    if (more) await source.return?.();
    await Promise.all(running.values());
    await Promise.all(slots.map(async ({ session }) => (await session?.catch(() => undefined))?.close()));
  }

  function settle(result: BatchResult): BatchResult {
    running.delete(result.index);
    if (result.response) progress.succeeded += 1;
    else progress.failed += 1;
    onProgress?.({ ...progress });
    return result;
  }
}

/** Whether a slot's sandbox could not be made, or is gone. */
async function isLost(session: Promise<SandboxSession> | undefined, error: unknown): Promise<boolean> {
  if (SessionNotFoundError.isInstance(error)) return true;
  return (await session?.catch(() => undefined)) === undefined;
}

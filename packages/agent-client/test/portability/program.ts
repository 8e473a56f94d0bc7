// What a backend does with the client, run by each JavaScript runtime against a real host. Prints what came of it.
import { AgentRuntimeClient, InvocationError, StreamInterruptedError } from '../../src/index.js';

const client = new AgentRuntimeClient();
const session = await client.createSession('commands');
const reason = (error: unknown): unknown => error;

const whole = await session.invoke({ prompt: 'hello' });
const values = await session.stream({ prompt: 'count', n: 3 }).collect();
const failed = await session.invoke('fail').catch(reason);

// Leaving a stream ends the invocation.
for await (const value of session.stream({ prompt: 'count', n: 10_000, ms: 20 })) if (value === 2) break;

const abort = new AbortController();
const aborted = session.invoke({ prompt: 'sleep', ms: 60_000 }, { signal: abort.signal }).catch(reason);
setTimeout(() => abort.abort(new Error('enough')), 200);

const late = await session.invoke({ prompt: 'sleep', ms: 60_000 }, { timeoutMs: 300 }).catch(reason);

// Each reading of a body through a proxy that cuts it after some events: taken up where it was.
const resumed = await session.stream({ prompt: 'count', n: 200, ms: 5 }).collect();

await session.pause();
const status = await session.getStatus();
const runs = (await session.invoke('runs')).result;
await session.close();

console.log(
  JSON.stringify({
    whole: whole.result,
    values,
    failed: InvocationError.isInstance(failed) && [failed.outcome, failed.errorType],
    aborted: String(await aborted),
    late: Reflect.get(Object(late), 'code'),
    resumed: resumed.length,
    interrupted: StreamInterruptedError.isInstance(late),
    status,
    runs,
    left: (await client.listSessions()).length,
  }),
);
await client.close();

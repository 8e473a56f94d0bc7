import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { spawnProgram } from '../../test/spawn-program.js';

/** What became of one call: a whole response by its status, or `refused` before a byte was sent; all else is not to be. */
function call(port: number, agent: Agent | false): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      { port, host: '127.0.0.1', method: 'POST', path: '/invocations', agent },
      (response) => {
        let body = '';
        response.on('data', (data) => {
          body += String(data);
        });
        response.on('error', () => resolve('cut'));
        response.on('end', () => resolve(outcomeOf(response.statusCode, response.headers, body)));
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : `unknown: ${error.code} ${error.message}`);
    });
    sent.end('{"prompt":"a"}');
  });
}

function outcomeOf(
  status: number | undefined,
  headers: NodeJS.Dict<string | string[]>,
  body: string,
): string {
  const { status: outcome }: { status?: string } = JSON.parse(body);
  if (status === 200 && outcome === 'success') return 'ran';
  const isRefusal = status === 503 && headers['retry-after'] === '1' && headers.connection === 'close';
  return isRefusal ? 'turned away' : `wrong: ${status} ${body}`;
}

for (const connections of ['new', 'kept'] as const) {
  test(`no call on ${connections} connections is lost when the agent is told to stop`, async () => {
    const total: Record<string, number> = {};
    for (let round = 0; round < 4; round++) {
      const { child, lines, exit } = await spawnProgram('quick-agent', {});
      const port = Number(lines[0]);
      const agent = connections === 'kept' && new Agent({ keepAlive: true });
      onTestFinished(() => {
        if (agent) agent.destroy();
      });
      const counts: Record<string, number> = {};
      const caller = async (): Promise<void> => {
        for (let outcome = ''; outcome !== 'refused'; ) {
          outcome = await call(port, agent);
          counts[outcome] = (counts[outcome] ?? 0) + 1;
        }
      };
      const callers = Array.from({ length: 48 }, caller);
      await expect.poll(() => counts.ran ?? 0, { timeout: 30_000, interval: 5 }).toBeGreaterThan(300);
      // At any moment of theirs.
      await sleep(Math.random() * 20);
      child.kill('SIGTERM');
      await Promise.all(callers);
      expect(await exit).toBe(0);
      expect(lines.at(-1)).toBe(`ran ${counts.ran}`);
      for (const [outcome, count] of Object.entries(counts)) total[outcome] = (total[outcome] ?? 0) + count;
    }
    expect(total).toEqual({
      ran: expect.any(Number),
      refused: 4 * 48,
      ...(total['turned away'] && { 'turned away': expect.any(Number) }),
    });
  });
}

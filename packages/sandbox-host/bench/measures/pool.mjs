import { Sandbox } from 'e2b';
import { buildAgentTemplate, untilPing } from '../agent-template.mjs';
import { quantile, round } from '../statistics.mjs';

const size = 3;

/** From the wish for a sandbox to a sandbox, and to its agent's first answer, when some wait ready. */
export async function measurePool({ connection, gateway, rounds }) {
  await buildAgentTemplate('bench-pooled', connection);
  const call = async (path, init) => {
    const headers = { 'x-api-key': connection.apiKey, 'content-type': 'application/json' };
    const response = await fetch(connection.apiUrl + path, { ...init, headers });
    if (!response.ok) throw new Error(await response.text());
    return response;
  };
  const untilFull = async (wanted) => {
    for (;;) {
      const pools = await (await call('/x/pools')).json();
      if (pools.find(({ template }) => template === wanted).ready >= size) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const claims = async () => {
    const text = await (await call('/metrics')).text();
    const read = (name) =>
      Number(new RegExp(`^${name}\\{phase="claim"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
    const metric = 'sandbox_host_create_phase_seconds';
    return { ms: read(`${metric}_sum`) * 1000, count: read(`${metric}_count`) };
  };
  const claim = async (template) => {
    await call(`/x/pools/${template}`, { method: 'PUT', body: JSON.stringify({ min: size }) });
    const created = [];
    const answered = [];
    let before;
    for (let turn = -1; turn < Math.max(rounds, 20); turn++) {
      await untilFull(template);
      if (turn === 0) before = await claims();
      const startedAt = performance.now();
      const body = JSON.stringify({ templateID: template, envVars: { TURN: String(turn) } });
      const { sandboxID } = await (await call('/v2/sandboxes', { method: 'POST', body })).json();
      const createdAt = performance.now();
      if (template !== 'base') {
        await untilPing(`${gateway.origin}/ping`, { ...gateway.headers, 'e2b-sandbox-id': sandboxID });
      }
      if (turn >= 0) {
        created.push(createdAt - startedAt);
        answered.push(performance.now() - startedAt);
      }
      await Sandbox.kill(sandboxID, connection);
    }
    const after = await claims();
    await call(`/x/pools/${template}`, { method: 'PUT', body: '{"min":0}' });
    const count = after.count - before.count;
    if (count < created.length) throw new Error(`Only ${count} of ${created.length} came from the pool.`);
    return { created, answered, inside: (after.ms - before.ms) / count };
  };
  const empty = await claim('base');
  const agent = await claim('bench-pooled');
  return [
    {
      name: 'A sandbox from the pool',
      unit: 'ms',
      better: 'lower',
      target: '< 1 ms inside the host, < 15 ms over HTTP, p50',
      rows: [
        { name: 'inside the host, no agent, mean', value: round(empty.inside) },
        { name: 'agent bound, mean', value: round(agent.inside) },
        { name: 'create over HTTP, p50', value: round(quantile(agent.created, 0.5)) },
        { name: 'to the first /ping, p50', value: round(quantile(agent.answered, 0.5)) },
      ],
      note: `create over HTTP: p95 ${round(quantile(agent.created, 0.95))} ms`,
    },
  ];
}

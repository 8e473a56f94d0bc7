import { Agent, request } from 'node:http';

/**
 * Sends the same invocation over and over through some connections, for a while.
 *
 * @param headers - Of each request, or a function that makes them.
 * @returns How many were answered.
 */
export async function load({ port, body, headers = {}, connections, ms }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const until = performance.now() + ms;
  let answered = 0;
  const worker = async () => {
    while (performance.now() < until) {
      await invoke(agent, port, body, typeof headers === 'function' ? headers() : headers);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
  return answered;
}

function invoke(agent, port, body, headers) {
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/invocations',
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    };
    const sent = request(options, (response) => {
      if (response.statusCode !== 200) reject(new Error(`The server answered ${response.statusCode}.`));
      response.resume();
      response.on('end', resolve);
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

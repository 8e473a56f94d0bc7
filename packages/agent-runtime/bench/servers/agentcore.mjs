import { BedrockAgentCoreApp } from 'bedrock-agentcore/runtime';
import { values } from './values.mjs';

export async function start() {
  const app = new BedrockAgentCoreApp({
    invocationHandler: { process: (request) => (request.values ? values(request.values) : request) },
  });
  const port = 20_000 + (process.pid % 20_000);
  await app.run({ port });
  return port;
}

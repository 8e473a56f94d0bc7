import { AgentRuntimeApp } from '../../dist/index.js';
import { values } from './values.mjs';

export async function start() {
  const app = new AgentRuntimeApp();
  app.entrypoint((request) => (request.values ? values(request.values) : request));
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  return port;
}

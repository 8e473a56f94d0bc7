// An agent for tests: tells which headers it sees, says back what it is told, and shouts over WebSockets.
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

const app = new AgentRuntimeApp();
app.entrypoint(async function* (request: { prompt: string }, context) {
  yield Object.keys(context.headers);
  yield request.prompt;
});
app.websocket(async (socket) => {
  for await (const message of socket) await socket.send(String(message).toUpperCase());
});
await app.run();

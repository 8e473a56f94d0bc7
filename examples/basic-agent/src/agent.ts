import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import * as z from 'zod';
import { reply, type Turn } from './reply.js';

const input = z.object({
  prompt: z.string().min(1).max(10_000),
  /** Whether the answer is wanted word by word. */
  stream: z.boolean().default(false),
});

/** What is remembered of a long conversation. */
const maxTurns = 100;

// A sandbox serves one conversation, so what it remembers is the module's own.
const turns: Turn[] = [];

const app = new AgentRuntimeApp();

app.entrypoint({ input }, ({ prompt, stream }) => {
  const text = reply(prompt, turns);
  turns.push({ role: 'user', text: prompt }, { role: 'agent', text });
  turns.splice(0, turns.length - maxTurns);
  return stream ? words(text) : { text, turns: turns.length };
});

function* words(text: string): Generator<string> {
  yield* text.split(/(?<= )/);
}

app.run();

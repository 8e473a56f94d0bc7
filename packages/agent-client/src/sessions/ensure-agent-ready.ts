import { type AgentConfig, ValidationError } from '@sandpiper/protocol';
import type { Sandbox } from 'e2b';
import { AuthenticationError } from '../errors/authentication-error.js';
import { TemplateNotFoundError } from '../errors/template-not-found-error.js';
import type { TemplateManager } from '../templates/template-manager.js';
import { startAgent } from './agent-process.js';
import { type AwaitedAgent, waitUntilReady } from './wait-until-ready.js';

/** An agent that is to be ready. */
export interface AgentStart {
  target: AwaitedAgent;
  sandbox: Sandbox;
  /** The agent's configuration, where its template has one. */
  agent: AgentConfig | undefined;
  /** For an agent whose configuration does not say, in milliseconds. */
  readyTimeoutMs: number;
  signal: AbortSignal;
}

/**
 * Starts the agent if its template leaves that to us, and waits for it to answer.
 *
 * @throws NotReady when it does not.
 */
export async function ensureAgentReady({
  target,
  sandbox,
  agent,
  readyTimeoutMs,
  signal,
}: AgentStart): Promise<void> {
  if (!agent) return waitUntilReady(target, readyTimeoutMs, signal);
  const { entrypoint, runtime } = agent.spec;
  const timeoutMs = runtime?.timeout === undefined ? readyTimeoutMs : runtime.timeout * 1000;
  // What runs already is the template's own start command: a second agent could only fight the first for its port.
  const running = await sandbox.commands.list({ signal });
  if (running.length > 0) return waitUntilReady(target, timeoutMs, signal);
  const process = await startAgent(sandbox, entrypoint, signal);
  try {
    await waitUntilReady(target, timeoutMs, signal, process);
  } finally {
    await process.release();
  }
}

/**
 * The agent's configuration in a template's metadata, if any. A template that the account may use but not look at says
 * nothing about its agent.
 *
 * @throws ValidationError when there is one that cannot be understood.
 */
export async function findAgentConfig(
  templates: TemplateManager,
  templateId: string,
): Promise<AgentConfig | undefined> {
  try {
    const { agent, metadata } = await templates.getTemplate(templateId);
    if (agent || (metadata.agent ?? metadata.agent_runtime) === undefined) return agent;
    throw new ValidationError(
      `The agent configuration in the metadata of template ${templateId} is not a valid one.`,
    );
  } catch (error) {
    if (TemplateNotFoundError.isInstance(error) || AuthenticationError.isInstance(error)) return undefined;
    throw error;
  }
}

import type { CommandHandle, Sandbox } from 'e2b';

/** An agent's server started by us, watched until it answers. */
export interface AgentProcess {
  /** How it ended, once it has. */
  readonly exit: string | undefined;
  /** Aborts when it ends badly: then nobody will ever answer. One that ends well may have left a server behind. */
  readonly crashed: AbortSignal;
  /** The last it wrote, newest last. */
  readonly lastLines: string[];
  /** Stops watching; the agent goes on. */
  release(): Promise<void>;
}

const keptLines = 40;
const keptLineLength = 2_000;

/**
 * The command that starts an entrypoint. TypeScript runs through the project's own `tsx` where it has one, else through
 * node, which reads it by itself from 22.18 on.
 */
export function agentCommand(entrypoint: string): string {
  const file = `'${entrypoint.replaceAll("'", "'\\''")}'`;
  if (entrypoint.endsWith('.py')) return `exec python3 ${file}`;
  if (!/\.m?ts$/.test(entrypoint)) return `exec node ${file}`;
  return `if [ -x node_modules/.bin/tsx ]; then exec node_modules/.bin/tsx ${file}; else exec node ${file}; fi`;
}

/** Starts the agent's server in its sandbox, with no end set to its time. */
export async function startAgent(
  sandbox: Sandbox,
  entrypoint: string,
  signal: AbortSignal,
): Promise<AgentProcess> {
  const lines: string[] = [];
  let rest = '';
  const note = (output: string): void => {
    const whole = (rest + output).split('\n');
    rest = (whole.pop() ?? '').slice(-keptLineLength);
    lines.push(...whole.map((line) => line.slice(0, keptLineLength)));
    lines.splice(0, lines.length - keptLines);
  };
  const handle: CommandHandle = await sandbox.commands.run(agentCommand(entrypoint), {
    background: true,
    // The SDK's default would end the agent after 60 s.
    timeoutMs: 0,
    onStdout: note,
    onStderr: note,
    signal,
  });
  let exit: string | undefined;
  const crash = new AbortController();
  handle.wait().then(
    () => {
      exit = 'it exited with code 0';
    },
    () => {
      if (handle.exitCode === undefined) return;
      exit = `it exited with code ${handle.exitCode}`;
      crash.abort();
    },
  );
  return {
    get exit() {
      return exit;
    },
    crashed: crash.signal,
    get lastLines() {
      return rest === '' ? lines : [...lines, rest];
    },
    release: () => handle.disconnect(),
  };
}

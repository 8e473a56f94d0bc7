import type {
  AdoptedProcess,
  EngineProcess,
  EngineSandbox,
  TerminalSize,
} from '@sandpiper/sandbox-engine/engine';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import * as z from 'zod';
import { ProcessOutput } from './process-output.js';

/** What a process was asked to be. */
export interface ProcessRequest {
  cmd: string;
  args: string[];
  envs: Record<string, string>;
  cwd: string;
  user: SandboxUser;
  stdin: boolean;
  /** A name by which it can be found again. */
  tag?: string | undefined;
  terminal?: TerminalSize | undefined;
  /** Whether what it writes is the sandbox's log. */
  logged?: boolean | undefined;
}

/** Checks a request that comes back with a process that was adopted. */
const requestSchema: z.ZodType<ProcessRequest> = z.object({
  cmd: z.string(),
  args: z.array(z.string()),
  envs: z.record(z.string(), z.string()),
  cwd: z.string(),
  user: z.enum(['user', 'root']),
  stdin: z.boolean(),
  tag: z.string().optional(),
  terminal: z.object({ cols: z.number(), rows: z.number() }).optional(),
  logged: z.boolean().optional(),
});

/** A process of a sandbox that was started from outside. */
export interface SandboxProcess {
  pid: number;
  request: ProcessRequest;
  process: EngineProcess;
  output: ProcessOutput;
}

/** How many processes are remembered after their end, so that their output can still be fetched. */
const endedKept = 8;

/** The processes that were started in one sandbox. */
export class ProcessTable {
  readonly #running = new Map<number, SandboxProcess>();
  readonly #ended: SandboxProcess[] = [];

  /** Starts a process with an environment, of which `request.envs` is only what was asked for. */
  async start(
    sandbox: EngineSandbox,
    request: ProcessRequest,
    env: Record<string, string>,
  ): Promise<SandboxProcess> {
    const process = await sandbox.exec({
      cmd: request.cmd,
      args: request.args,
      env,
      cwd: request.cwd,
      user: request.user,
      stdin: request.stdin,
      terminal: request.terminal,
      label: JSON.stringify(request),
    });
    return this.#add(request, process);
  }

  /** Goes on with processes that a host before this one started. @returns them. */
  adopt(found: AdoptedProcess[]): SandboxProcess[] {
    return found.flatMap(({ label, process }) => {
      const request = requestSchema.safeParse(JSON.parse(label));
      return request.success ? [this.#add(request.data, process)] : [];
    });
  }

  #add(request: ProcessRequest, process: EngineProcess): SandboxProcess {
    const entry = { pid: process.pid, request, process, output: new ProcessOutput(process) };
    this.#running.set(entry.pid, entry);
    const ended = (): void => {
      this.#running.delete(entry.pid);
      this.#ended.push(entry);
      if (this.#ended.length > endedKept) this.#ended.shift();
    };
    process.ended.then(ended, ended);
    return entry;
  }

  running(): SandboxProcess[] {
    return [...this.#running.values()];
  }

  findRunning(selector: { pid: number } | { tag: string }): SandboxProcess | undefined {
    if ('pid' in selector) return this.#running.get(selector.pid);
    return this.running().find((entry) => entry.request.tag === selector.tag);
  }

  /** Like {@link findRunning}, and a process that has ended lately when none runs. */
  find(selector: { pid: number } | { tag: string }): SandboxProcess | undefined {
    return (
      this.findRunning(selector) ??
      this.#ended.findLast((entry) =>
        'pid' in selector ? entry.pid === selector.pid : entry.request.tag === selector.tag,
      )
    );
  }
}

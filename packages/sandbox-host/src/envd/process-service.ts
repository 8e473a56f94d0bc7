import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TerminalSize } from '@sandpiper/sandbox-engine/engine';
import { describeExit } from '../sandboxes/describe-exit.js';
import type { OutputEvent } from '../sandboxes/process-output.js';
import type { SandboxProcess } from '../sandboxes/process-table.js';
import { resizeTerminal } from '../sandboxes/resize-terminal.js';
import { type Caller, type Context, callerOf } from './caller.js';
import { ConnectError } from './connect/connect-error.js';
import type { Handlers } from './connect/service.js';
import {
  type Process,
  type ProcessEventSchema,
  type ProcessInput,
  type ProcessSelector,
  type PTY,
  Signal,
} from './gen/process_pb.js';
import { keepAliveMs, withKeepAlive } from './keep-alive.js';
import { resolvePath } from './paths.js';

type Event = MessageInitShape<typeof ProcessEventSchema>;

/** Processes as the SDK's `sandbox.commands` asks for them. */
export const processService: Handlers<typeof Process, Caller> = {
  list(_request, context) {
    const { sandbox } = callerOf(context);
    return {
      processes: sandbox.processes.running().map(({ pid, request }) => ({
        pid,
        ...(request.tag === undefined ? {} : { tag: request.tag }),
        config: { cmd: request.cmd, args: request.args, envs: request.envs, cwd: request.cwd },
      })),
    };
  },

  async *start(request, context) {
    const { sandbox, user } = callerOf(context);
    if (!request.process?.cmd) throw new ConnectError('The command is missing.', 'invalid_argument');
    const { cmd, args, envs, cwd } = request.process;
    const started = await sandbox.start({
      cmd,
      args,
      envs,
      cwd: resolvePath(cwd ?? '', user, sandbox),
      user,
      // Older SDKs do not ask: they always had one.
      stdin: request.stdin ?? true,
      tag: request.tag,
      terminal: request.pty && terminalSize(request.pty),
    });
    // The caller's deadline is the command's, though not its connection: a caller that leaves is no reason to end.
    const leftMs = context.timeoutMs;
    if (leftMs !== undefined) {
      const timer = setTimeout(
        () =>
          started.process
            .kill('SIGKILL')
            .catch((error: unknown) =>
              sandbox.log.add('error', `A command could not be killed at its deadline: ${String(error)}`),
            ),
        Math.min(Math.max(leftMs, 0), 2 ** 31 - 1),
      );
      const stop = (): void => clearTimeout(timer);
      started.process.ended.then(stop, stop);
    }
    for await (const event of follow(started, context)) yield { event };
  },

  async *connect(request, context) {
    const { sandbox } = callerOf(context);
    const found = sandbox.processes.find(selector(request.process));
    if (!found) throw notFound(request.process);
    for await (const event of follow(found, context)) yield { event };
  },

  async update(request, context) {
    const { resize } = runningProcess(request.process, context).process;
    if (!resize) throw new ConnectError('The process has no terminal.', 'failed_precondition');
    if (request.pty) await resizeTerminal(resize, terminalSize(request.pty));
    return {};
  },

  async sendInput(request, context) {
    await write(runningProcess(request.process, context), request.input);
    return {};
  },

  async streamInput(requests, context) {
    let target: SandboxProcess | undefined;
    for await (const { event } of requests) {
      if (event.case === 'start') target = runningProcess(event.value.process, context);
      if (event.case !== 'data') continue;
      if (!target) throw new ConnectError('Input came before the process was named.', 'invalid_argument');
      await write(target, event.value.input);
    }
    return {};
  },

  closeStdin(request, context) {
    runningProcess(request.process, context).process.stdin?.end();
    return {};
  },

  async sendSignal(request, context) {
    const target = runningProcess(request.process, context);
    const signal = {
      [Signal.UNSPECIFIED]: undefined,
      [Signal.SIGKILL]: 'SIGKILL',
      [Signal.SIGTERM]: 'SIGTERM',
    } as const;
    const name = signal[request.signal];
    if (!name) throw new ConnectError('The signal must be SIGTERM or SIGKILL.', 'invalid_argument');
    await target.process.kill(name);
    return {};
  },
};

function runningProcess(which: ProcessSelector | undefined, context: Context): SandboxProcess {
  const { sandbox } = callerOf(context);
  // Says first when the whole sandbox is paused.
  sandbox.assertRunning();
  const found = sandbox.processes.findRunning(selector(which));
  if (!found) throw notFound(which);
  return found;
}

function selector(which: ProcessSelector | undefined): { pid: number } | { tag: string } {
  switch (which?.selector.case) {
    case 'pid':
      return { pid: which.selector.value };
    case 'tag':
      return { tag: which.selector.value };
    default:
      throw new ConnectError('The process must be named by its pid or its tag.', 'invalid_argument');
  }
}

function notFound(which: ProcessSelector | undefined): ConnectError {
  return new ConnectError(
    `There is no process with ${which?.selector.case} ${which?.selector.value}.`,
    'not_found',
  );
}

async function* follow(target: SandboxProcess, context: Context): AsyncGenerator<Event> {
  yield { event: { case: 'start', value: { pid: target.pid } } };
  for await (const event of withKeepAlive(target.output.read(context.signal), keepAliveMs(context))) {
    yield event === 'keepalive' ? { event: { case: 'keepalive', value: {} } } : toEvent(event);
  }
}

function toEvent(event: OutputEvent): Event {
  if (event.type !== 'end') {
    return { event: { case: 'data', value: { output: { case: event.type, value: event.data } } } };
  }
  const { code, signal, outOfMemory } = event.status;
  const status = describeExit(event.status);
  const error = outOfMemory ? `${status} (the sandbox ran out of memory)` : status;
  return {
    event: {
      case: 'end',
      value: {
        // A process that a signal ended has no code of its own.
        exitCode: signal ? -1 : (code ?? 0),
        exited: signal === undefined,
        status,
        ...(signal || code ? { error } : {}),
      },
    },
  };
}

async function write(target: SandboxProcess, input: ProcessInput | undefined): Promise<void> {
  const { stdin, resize } = target.process;
  if (!stdin || input?.input.case !== (resize ? 'pty' : 'stdin')) {
    const lacks = input?.input.case === 'pty' ? 'terminal' : 'stdin';
    throw new ConnectError(`The process was started without a ${lacks}.`, 'failed_precondition');
  }
  const { value } = input.input;
  // Settles when the system has taken it, so a process that does not read holds its writer back.
  await new Promise<void>((resolve, reject) => {
    stdin.write(value, (error) =>
      error ? reject(new ConnectError('The process reads no more input.', 'failed_precondition')) : resolve(),
    );
  });
}

/** What is not said is 80 by 24, as terminals were. */
function terminalSize({ size }: PTY): TerminalSize {
  return { cols: size?.cols || 80, rows: size?.rows || 24 };
}

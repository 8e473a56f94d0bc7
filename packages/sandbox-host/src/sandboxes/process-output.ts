import type { EngineProcess, ExitStatus } from '@sandpiper/sandbox-engine/engine';

/** A piece of what a process wrote, or its end. */
export type OutputEvent =
  | { type: 'stdout' | 'stderr' | 'pty'; data: Uint8Array }
  | { type: 'end'; status: ExitStatus };

/** Beyond this much waiting for one reader the process has to wait too. */
const readerBytes = 1024 * 1024;
/** How much output is kept of a process that nobody listens to; older output is dropped. */
const keptBytes = 128 * 1024;
/** What a program writes in smaller pieces is put together while it waits: each piece takes room besides its bytes. */
const pieceBytes = 4 * 1024;
const roomOfPiece = 128;

interface Reader {
  queue: OutputEvent[];
  bytes: number;
  wake: () => void;
}

/**
 * The output of one process, for any number of readers. While somebody reads, nothing is lost and a slow reader
 * slows the process down. While nobody does, the last part is kept for the next reader, so that a server left
 * running in the background never stands still because its log is full.
 */
export class ProcessOutput {
  readonly #process: EngineProcess;
  readonly #readers = new Set<Reader>();
  #kept: OutputEvent[] = [];
  #keptBytes = 0;
  #end: OutputEvent | undefined;

  constructor(process: EngineProcess) {
    this.#process = process;
    const type = process.resize ? 'pty' : 'stdout';
    process.stdout.on('data', (data: Uint8Array) => this.#take({ type, data }));
    process.stderr.on('data', (data: Uint8Array) => this.#take({ type: 'stderr', data }));
    const end = (status: ExitStatus): void => {
      this.#end = { type: 'end', status };
      this.#take(this.#end);
    };
    // How it ended is not known then, but that it is not to be waited for.
    process.ended.then(end, () => end({ code: undefined, signal: undefined }));
  }

  /** Follows the output from what was kept to the end of the process. Breaking off leaves the process alone. */
  async *read(signal: AbortSignal): AsyncGenerator<OutputEvent, void> {
    const reader: Reader = { queue: this.#kept, bytes: this.#keptBytes, wake: () => {} };
    this.#kept = [];
    this.#keptBytes = 0;
    if (this.#end && reader.queue.at(-1) !== this.#end) reader.queue.push(this.#end);
    const onAbort = (): void => reader.wake();
    signal.addEventListener('abort', onAbort);
    this.#readers.add(reader);
    try {
      while (!signal.aborted) {
        const event = reader.queue.shift();
        if (event) {
          reader.bytes -= sizeOf(event);
          this.#regulate();
          yield event;
          if (event.type === 'end') return;
          continue;
        }
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
          if (signal.aborted) resolve();
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#readers.delete(reader);
      this.#regulate();
    }
  }

  #take(event: OutputEvent): void {
    if (this.#readers.size === 0) {
      this.#keep(event);
      return;
    }
    for (const reader of this.#readers) {
      reader.bytes += put(reader.queue, event);
      reader.wake();
    }
    this.#regulate();
  }

  #keep(event: OutputEvent): void {
    this.#keptBytes += put(this.#kept, event);
    while (this.#keptBytes > keptBytes) {
      const oldest = this.#kept.shift();
      if (!oldest) break;
      this.#keptBytes -= sizeOf(oldest);
    }
  }

  #regulate(): void {
    const full = [...this.#readers].some((reader) => reader.bytes > readerBytes);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (full) stream.pause();
      else if (stream.isPaused()) stream.resume();
    }
  }
}

/** Puts a piece at the end of a queue. @returns what it takes there. */
function put(queue: OutputEvent[], event: OutputEvent): number {
  const last = queue.at(-1);
  if (
    last === undefined ||
    event.type === 'end' ||
    last.type !== event.type ||
    last.data.byteLength + event.data.byteLength > pieceBytes
  ) {
    queue.push(event);
    return sizeOf(event);
  }
  queue[queue.length - 1] = { type: last.type, data: Buffer.concat([last.data, event.data]) };
  return event.data.byteLength;
}

/** What an event takes of a queue. */
function sizeOf(event: OutputEvent): number {
  return event.type === 'end' ? 0 : event.data.byteLength + roomOfPiece;
}

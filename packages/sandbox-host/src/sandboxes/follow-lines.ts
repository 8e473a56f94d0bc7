import { StringDecoder } from 'node:string_decoder';
import { setImmediate } from 'node:timers/promises';
import type { ExitStatus } from '@sandpiper/sandbox-engine/engine';
import type { OutputEvent, ProcessOutput } from './process-output.js';

type Source = Exclude<OutputEvent['type'], 'end'>;

/** Is given each line without what ends it. */
export type OnLine = (line: string, source: Source) => void;

/** A line that goes on beyond this is reported in parts. */
const longestLine = 64 * 1024;
/** Everything else in the process has its turn after this much time. */
const turnMs = 10;

/**
 * Follows a process to its end, line by line: programs write parts of lines, too, and what they write is cut on its way.
 *
 * @param onLine - Called with each line without what ends it, as soon as that has come.
 */
export async function followLines(output: ProcessOutput, onLine: OnLine): Promise<ExitStatus> {
  const begun = new Map<Source, { decoder: StringDecoder; rest: string }>();
  let turn = performance.now();
  for await (const event of output.read(new AbortController().signal)) {
    if (event.type === 'end') {
      for (const [source, { rest }] of begun) if (rest !== '') onLine(rest.trimEnd(), source);
      return event.status;
    }
    const line = begun.get(event.type) ?? { decoder: new StringDecoder('utf8'), rest: '' };
    begun.set(event.type, line);
    const lines = (line.rest + line.decoder.write(event.data)).split('\n');
    line.rest = lines.pop() ?? '';
    if (line.rest.length > longestLine) {
      lines.push(line.rest);
      line.rest = '';
    }
    for (const text of lines) onLine(text.trimEnd(), event.type);
    if (performance.now() - turn < turnMs) continue;
    await setImmediate();
    turn = performance.now();
  }
  throw new Error('The output of a process ended before it.');
}

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { startChild } from '@sandpiper/sandbox-engine/local/start-child';
import { toolEnvironment } from '@sandpiper/sandbox-engine/local/tool-environment';
import { noteOwnRun } from './own-runs.js';

/** Runs a tool of the host's on a text, to its end. @throws Error with what it said when it fails. */
export async function runOn(input: string, file: string, ...args: string[]): Promise<string> {
  const given = { stdio: 'pipe', cwd: '/', env: toolEnvironment() } as const;
  const child = await startChild<ChildProcessWithoutNullStreams>(file, args, given);
  return new Promise((resolve, reject) => {
    noteOwnRun(child.pid ?? 0);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2_000);
    });
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${file}: ${errors.trim() || `exit code ${code}`}`));
    });
    // A tool that fails at once does not read to the end.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Changes the packet filter: all of it or nothing. */
export async function nft(commands: string): Promise<void> {
  await runOn(commands, 'nft', '-f', '-');
}

/** Changes interfaces, addresses and namespaces, a command a line. */
export async function ip(commands: string): Promise<void> {
  await runOn(commands, 'ip', '-batch', '-');
}

/**
 * Does for many at once what each asks for by itself: what comes while one round is under way waits for the next.
 *
 * @param work - One round; when it fails, each of its items is tried alone, so that none fails for another.
 * @param most - Items of one round.
 */
export function inRounds<Item>(
  work: (items: Item[]) => Promise<void>,
  most: number,
): (item: Item) => Promise<void> {
  interface Waiting {
    item: Item;
    resolve: () => void;
    reject: (error: unknown) => void;
  }
  const queue: Waiting[] = [];
  let working = false;
  const go = async (): Promise<void> => {
    working = true;
    // What is asked for in the same breath goes together.
    await Promise.resolve();
    for (let round = queue.splice(0, most); round.length > 0; round = queue.splice(0, most)) {
      try {
        await work(round.map(({ item }) => item));
        for (const { resolve } of round) resolve();
      } catch (error) {
        if (round.length === 1) round[0]?.reject(error);
        else for (const { item, resolve, reject } of round) await work([item]).then(resolve, reject);
      }
    }
    working = false;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (!working) go().catch(reject);
    });
}

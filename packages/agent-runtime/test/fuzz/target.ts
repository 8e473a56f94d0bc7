import { expect } from 'vitest';
import { type Program, spawnProgram } from '../spawn-program.js';
import { expectAllowed } from './allowed.js';
import { encode, type HostileRequest, post } from './hostile.js';
import { Connection, type RawResponse } from './wire.js';

/** What the agent holds when its garbage is collected, in bytes. */
export interface Memory {
  readonly heapUsed: number;
  readonly rss: number;
}

/** An agent under fire, in a process of its own. */
export class Target {
  readonly port: number;
  readonly #program: Program;
  readonly #connection: Connection;

  private constructor(program: Program) {
    this.#program = program;
    this.port = Number(program.lines[0]);
    this.#connection = new Connection(this.port);
  }

  static async start(): Promise<Target> {
    // Little memory: what grew with each request would end the process.
    return new Target(await spawnProgram('fuzzed-agent', { NODE_OPTIONS: '--max-old-space-size=96' }));
  }

  /** Asks requests one after the other; each must be answered as the wire protocol allows, and as `judge` says. */
  async askAll<Request extends HostileRequest>(
    requests: readonly Request[],
    judge: (response: RawResponse, request: Request) => void = () => {},
  ): Promise<void> {
    for (const request of requests) {
      const bytes = encode(request);
      let response: RawResponse | undefined;
      try {
        response = await this.#connection.ask(bytes, request.method);
        expectAllowed(response);
        judge(response, request);
      } catch (error) {
        throw new Error(`${shown(bytes)}\n→ ${response ? shownResponse(response) : 'nothing'}\n${error}`);
      }
    }
  }

  /** Fails unless the agent serves the next good request, on a connection of its own, and is as it was. */
  async check(): Promise<void> {
    expect(await this.#tell('state')).toEqual({ polluted: false });
    const { child } = this.#program;
    expect(child.exitCode ?? child.signalCode).toBeNull();
  }

  async memory(): Promise<Memory> {
    return Object(await this.#tell('memory'));
  }

  async #tell(what: string): Promise<unknown> {
    const connection = new Connection(this.port);
    const good = { ...post(Buffer.from('{}')), headers: [['x-agent', what]] as const };
    const { status, body } = await connection.ask(encode(good), 'POST');
    connection.close();
    expect(status).toBe(200);
    return JSON.parse(String(body)).result;
  }
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1').slice(0, 800));
}

function shownResponse({ status, headers, body }: RawResponse): string {
  return `${status} ${JSON.stringify([...headers])} ${shown(body)}`;
}

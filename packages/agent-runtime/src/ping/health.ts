import { type PingResponse, PingStatus, pingResponseSchema, pingStatusSchema } from '@sandpiper/protocol';

/** What a custom ping handler may say: a status in any letter case, an object with one, or whether it is healthy and idle. */
export type PingResult = string | boolean | { status: string; message?: string | undefined };

/** Judges the agent's health in place of the runtime. */
export type PingHandler = () => PingResult | Promise<PingResult>;

/** How the agent is, and since when (contract, section 6). */
export class Health {
  /** Replaces the automatic judgement. */
  handler: PingHandler | undefined;
  #atWork = 0;
  #last: PingStatus = PingStatus.Healthy;
  #changedAt = Date.now();

  /** A piece of work has begun. */
  began(): void {
    this.#atWork++;
    // Noted at once and not at the next ping: work that falls between two pings counts too.
    if (this.#atWork === 1 && !this.handler) this.#note(PingStatus.HealthyBusy);
  }

  /** A piece of work has come to its real end. */
  ended(): void {
    this.#atWork--;
    if (this.#atWork === 0 && !this.handler) this.#note(PingStatus.Healthy);
  }

  /** @throws whatever the custom handler throws, or a ZodError when it says what is no status. */
  async check(): Promise<PingResponse> {
    return this.handler ? this.#stamp(read(await this.handler())) : this.automatic();
  }

  /** Busy while anything is at work. */
  automatic(): PingResponse {
    return this.#stamp({ status: this.#atWork > 0 ? PingStatus.HealthyBusy : PingStatus.Healthy });
  }

  #stamp(answer: PingResponse): PingResponse {
    this.#note(answer.status);
    const timestamp = new Date().toISOString();
    return { ...answer, timestamp, time_of_last_update: Math.floor(this.#changedAt / 1000) };
  }

  /** Platforms judge idleness by the time of the last change, so it moves with the status only. */
  #note(status: PingStatus): void {
    if (status === this.#last) return;
    this.#last = status;
    this.#changedAt = Date.now();
  }
}

function read(result: PingResult): PingResponse {
  if (typeof result === 'boolean') return { status: result ? PingStatus.Healthy : PingStatus.HealthyBusy };
  if (typeof result === 'string') return { status: pingStatusSchema.parse(result) };
  return pingResponseSchema.parse(result);
}

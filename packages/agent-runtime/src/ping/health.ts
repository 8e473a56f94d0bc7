import { type PingResponse, PingStatus, parsePingStatus } from '@sandpiper/protocol';

/** What a custom ping handler may say: a status in any letter case, an object with one, or whether it is healthy and idle. */
export type PingResult = string | boolean | { status: string; message?: string | undefined };

/** Judges the agent's health in place of the runtime. */
export type PingHandler = () => PingResult | Promise<PingResult>;

/** How the agent is, and since when (docs/wire-protocol.md, "Health"). */
export class Health {
  /** Replaces the automatic judgement. */
  handler: PingHandler | undefined;
  #isBusy = false;
  #forced: PingStatus | undefined;
  #last: PingStatus = PingStatus.Healthy;
  #changedAt = Date.now();

  /** Work has begun, or all of it has ended. Noted at once: work that falls between two pings counts too. */
  setBusy(busy: boolean): void {
    this.#isBusy = busy;
    if (!this.handler && !this.#forced) this.#note(this.#automaticStatus());
  }

  /** Overrides every other judgement until it is called with nothing. */
  force(status: PingStatus | undefined): void {
    this.#forced = status;
    if (status) this.#note(status);
  }

  /** @throws whatever the custom handler throws, or a TypeError when it says what is no status. */
  async check(): Promise<PingResponse> {
    if (this.#forced) return this.#stamp({ status: this.#forced });
    return this.handler ? this.#stamp(read(await this.handler())) : this.automatic();
  }

  /** Busy while anything runs. */
  automatic(): PingResponse {
    return this.#stamp({ status: this.#automaticStatus() });
  }

  #automaticStatus(): PingStatus {
    return this.#isBusy ? PingStatus.HealthyBusy : PingStatus.Healthy;
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
  const answer = typeof result === 'string' ? { status: result } : result;
  const status = parsePingStatus(answer.status);
  if (!status) throw new TypeError(`A ping handler said ${answer.status}, which is not a status.`);
  return { ...answer, status };
}

/** Since when this process has not used a sandbox. */
export class Activity {
  #inFlight = 0;
  #last = performance.now();

  get idleSeconds(): number {
    return this.#inFlight > 0 ? 0 : (performance.now() - this.#last) / 1000;
  }

  touch(): void {
    this.#last = performance.now();
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
    this.touch();
  }
}

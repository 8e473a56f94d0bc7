/** Carries out every step in turn, also after one that failed. @throws what one threw, or an AggregateError of several. */
export async function everyStep(...steps: (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1)
    throw new AggregateError(errors, `${errors.length} steps failed: ${errors.join('; ')}`);
}

/** What has to be undone, last first, if what was begun cannot be brought to its end. */
export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.unshift(step);
  }

  /** Never fails: why it is called is what matters. What fails is reported. */
  async all(onError: (error: unknown) => void): Promise<void> {
    await everyStep(...this.#steps.splice(0)).catch(onError);
  }
}

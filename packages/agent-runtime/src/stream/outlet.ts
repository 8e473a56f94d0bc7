/** What ended a stream that did not end cleanly. */
export interface Thrown {
  readonly error: unknown;
}

/** Where a pump's values go. */
export interface Outlet {
  /** Called whenever more may be written. */
  onDrain: () => void;
  /** Takes a value. False: write no more until {@link Outlet.onDrain}. */
  write(value: unknown): boolean;
  /** Takes the end: a clean one, or what was thrown. Called once. */
  end(thrown?: Thrown): void;
}

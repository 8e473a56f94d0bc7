/** What ended a stream, or an invocation, that did not end cleanly. The error may be anything that can be thrown. */
export interface Failure {
  readonly error: unknown;
}

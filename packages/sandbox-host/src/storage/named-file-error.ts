/** Says which file an error is about: the system's own, of a read, and those of what was read do not. */
export function namedFileError(path: string, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (message.includes(path)) return cause instanceof Error ? cause : new Error(message);
  return new Error(
    `${path} cannot be used: ${message}. Put back what it held, or remove it to have another made.`,
    {
      cause,
    },
  );
}

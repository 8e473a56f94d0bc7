import { ValidationError, type ValidationIssue } from '@sandpiper/protocol';

/**
 * A schema that an input is checked with: any of zod's, or of another library that follows Standard Schema
 * (https://standardschema.dev, version 1), whose shape this is.
 */
export interface InputSchema<Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => InputResult<Output> | Promise<InputResult<Output>>;
  };
}

/** What a schema found. */
export type InputResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly InputIssue[] };

/** One thing a schema found wrong. */
export interface InputIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks a request's body. @throws ValidationError 400 with everything that is wrong (docs/wire-protocol.md, "Refusals"). */
export async function checkInput<Output>(schema: InputSchema<Output>, body: unknown): Promise<Output> {
  const result = await schema['~standard'].validate(body);
  if (!result.issues) return result.value;
  const issues = result.issues.map(toIssue);
  const list = issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new ValidationError(`The input is not what this agent takes: ${list.join('; ')}`, {
    status: 400,
    issues,
  });
}

function toIssue(issue: InputIssue): ValidationIssue {
  const keys = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
  return { path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)), message: issue.message };
}

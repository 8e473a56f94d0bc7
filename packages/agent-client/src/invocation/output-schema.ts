import { ValidationError } from '@sandpiper/protocol';

/**
 * A schema that checks an agent's result: zod's, or that of any library that follows Standard Schema
 * (https://standardschema.dev), of which this is the part that is used.
 */
export interface OutputSchema<T> {
  readonly '~standard': {
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
  };
}

/** What an {@link OutputSchema} makes of a result: its value, or what is wrong with it. */
export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a result. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** @throws ValidationError when the agent's result is not what the schema asks for. */
export async function checkOutput<T>(
  schema: OutputSchema<T>,
  value: unknown,
  facts: { requestId: string; invocationId: string },
): Promise<T> {
  const checked = await schema['~standard'].validate(value);
  if (checked.issues === undefined) return checked.value;
  const issues = checked.issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((step) => {
      const key = typeof step === 'object' ? step.key : step;
      return typeof key === 'number' ? key : String(key);
    }),
  }));
  const problems = issues.map(({ message, path }) => `${path.join('.') || 'result'}: ${message}`).join('; ');
  throw new ValidationError(`The agent's result is not of the shape of \`output\`: ${problems}`, {
    ...facts,
    issues,
  });
}

import type { RequestContext } from '../context/request-context.js';
import { registrar } from '../registration/registrar.js';
import type { Entrypoint, EntrypointOptions, Handler } from './handler.js';
import type { InputSchema } from './input-schema.js';

/** A method that can be an entry point: it may leave out the context, and the request too. */
export type EntrypointMethod<This, Input> = (this: This, request: Input, context: RequestContext) => unknown;

/** Registers the handler of `POST /invocations`; the last one registered is used. */
export interface RegisterEntrypoint {
  // First, because TypeScript takes the first overload that fits: it would fit a decorated method to a handler.
  /**
   * As a decorator of a method: registers it when the class is instantiated, with the instance as `this`.
   *
   * @example
   * ```ts
   * class Weather {
   *   @app.entrypoint
   *   async *forecast(request: { city: string }) { yield `Looking at ${request.city}`; }
   * }
   * new Weather();
   * ```
   */
  <This, M extends EntrypointMethod<This, never>>(
    method: M,
    context: ClassMethodDecoratorContext<This>,
  ): void;
  /**
   * Takes the handler and gives it back as it is.
   *
   * @example
   * ```ts
   * app.entrypoint(async (request, context) => `Hello ${request.prompt}`);
   * ```
   */
  <H extends Handler>(handler: H): H;
  /** The same of a handler that says itself what it takes. */
  <H extends Handler<never>>(handler: H): H;
  /** The same of a handler whose request's type is given: `app.entrypoint<{ city: string }>(…)`. */
  <Input, Output = unknown>(handler: Handler<Input, Output>): Handler<Input, Output>;
  /**
   * Checks the request's body first; the handler gets what the schema makes of it.
   *
   * @example
   * ```ts
   * app.entrypoint({ input: z.object({ city: z.string() }) }, ({ city }) => forecast(city));
   * ```
   */
  <Input, H extends Handler<Input>>(options: EntrypointOptions<Input>, handler: H): H;
  /** The same as a decorator: `@app.entrypoint({ input })`. */
  <Input>(
    options: EntrypointOptions<Input>,
  ): <This, M extends EntrypointMethod<This, Input>>(
    method: M,
    context: ClassMethodDecoratorContext<This>,
  ) => void;
}

type AnyMethod = EntrypointMethod<unknown, never>;

/** Makes the `entrypoint` of an app, which hands what it is given to `register`. */
export function entrypointRegistrar(register: (entrypoint: Entrypoint) => void): RegisterEntrypoint {
  const take = (
    handler: AnyMethod,
    input: InputSchema<unknown> | undefined,
    context: ClassMethodDecoratorContext | undefined,
  ): unknown => {
    const registerChecked = registrar<AnyMethod>((given) => register({ handler: given, input }));
    return context ? registerChecked(handler, context) : registerChecked(handler);
  };
  const entrypoint = (
    first: AnyMethod | EntrypointOptions<unknown>,
    second?: AnyMethod | ClassMethodDecoratorContext,
  ): unknown => {
    if (typeof first === 'function')
      return take(first, undefined, second as ClassMethodDecoratorContext | undefined);
    if (typeof second === 'function') return take(second, first.input, undefined);
    return (method: AnyMethod, context: ClassMethodDecoratorContext) => take(method, first.input, context);
  };
  return entrypoint as RegisterEntrypoint;
}

/** Registers a function with an app, or a method, as a decorator. */
export interface Register<F extends (...args: never[]) => unknown> {
  // First, because TypeScript takes the first overload that fits: it would fit a decorated method to a function.
  /** As a decorator of a method: registers it when the class is instantiated, with the instance as `this`. */
  <This>(
    method: (this: This, ...args: Parameters<F>) => ReturnType<F>,
    context: ClassMethodDecoratorContext<This>,
  ): void;
  /** Gives it back as it is. */
  <G extends F>(given: G): G;
}

/** Makes what an app registers functions with; each is handed to `register`. Needs no `this`: a decorator has none. */
export function registrar<F extends (...args: never[]) => unknown>(
  register: (given: F) => void,
): Register<F> {
  const take = (given: F, context?: ClassMethodDecoratorContext): F | undefined => {
    if (!context) {
      register(given);
      return given;
    }
    // The instance is not made yet; a decorator may only say what to do then.
    context.addInitializer(function (this: unknown) {
      register(given.bind(this) as F);
    });
    return undefined;
  };
  return take as Register<F>;
}

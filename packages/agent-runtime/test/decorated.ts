import type { RequestContext } from '../src/context/request-context.js';
import type { InputSchema } from '../src/entrypoint/input-schema.js';
import type { AgentRuntimeApp } from '../src/node/node-app.js';

/** Decorated classes, apart because the test runner's own compiler leaves decorators alone; see entrypoint.test.ts. */
export function counter(app: AgentRuntimeApp): new () => { count: number } {
  return class Counter {
    count = 40;

    @app.entrypoint
    add(request: { by: number }, context: RequestContext): string {
      this.count += request.by;
      return `${this.count} for ${context.requestId}`;
    }
  };
}

export function greeter(app: AgentRuntimeApp, input: InputSchema<{ name: string }>): new () => object {
  return class Greeter {
    @app.entrypoint({ input })
    *greet(request: { name: string }): Generator<string> {
      yield `Hello ${request.name}`;
    }
  };
}

import type { RequestContext } from '../src/context/request-context.js';
import type { InputSchema } from '../src/entrypoint/input-schema.js';
import type { Next } from '../src/http/middleware.js';
import type { AgentRuntimeApp } from '../src/node/node-app.js';
import type { AgentSocket } from '../src/websocket/agent-socket.js';

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

/** Methods of no, one and two parameters, each of which answers with its name. */
export function everyArity(
  app: AgentRuntimeApp,
  input: InputSchema<{ a: number }>,
): Record<string, new () => object> {
  return {
    none: class {
      @app.entrypoint
      answer(): string {
        return 'none';
      }
    },
    one: class {
      @app.entrypoint
      async answer(request: { a: number }): Promise<string> {
        return request.a === 2 ? 'one' : '';
      }
    },
    two: class {
      readonly name = 'two';

      @app.entrypoint
      answer(_request: unknown, context: RequestContext): string {
        return context.requestId && this.name;
      }
    },
    checkedNone: class {
      @app.entrypoint({ input })
      answer(): string {
        return 'checkedNone';
      }
    },
    checkedOne: class {
      @app.entrypoint({ input })
      answer({ a }: { a: number }): string {
        return a === 2 ? 'checkedOne' : '';
      }
    },
    checkedTwo: class {
      @app.entrypoint({ input })
      answer({ a }: { a: number }, context: RequestContext): string {
        return a === 2 && context.requestId ? 'checkedTwo' : '';
      }
    },
  };
}

export function judge(app: AgentRuntimeApp): new () => { mood: string } {
  return class Judge {
    mood = 'healthy';

    @app.ping
    async check(): Promise<string> {
      return this.mood;
    }
  };
}

export function greeterOfSockets(app: AgentRuntimeApp): new () => { name: string } {
  return class {
    name = 'nobody';

    @app.middleware
    async sign(request: Request, next: Next): Promise<Response> {
      const response = await next(request);
      response.headers.set('x-name', this.name);
      return response;
    }

    @app.websocket
    async greet(socket: AgentSocket): Promise<void> {
      await socket.send(`Hello from ${this.name}`);
    }
  };
}

/** What must not compile. */
export function refused(app: AgentRuntimeApp, input: InputSchema<{ a: number }>): unknown[] {
  return [
    class {
      // @ts-expect-error: the schema makes no text.
      @app.entrypoint({ input })
      answer(request: { a: string }): string {
        return request.a;
      }
    },
    class {
      // @ts-expect-error: a judge says a status.
      @app.ping
      check(): number {
        return 1;
      }
    },
    class {
      // @ts-expect-error: nobody gives a third argument.
      @app.entrypoint
      answer(_request: unknown, _context: RequestContext, more: string): string {
        return more;
      }
    },
  ];
}

import { Hono } from 'hono';

/** Answers what Hono has no route for. */
type Last = (request: Request) => Promise<Response>;

/** Hono in front of the agent's own routes, made when it is first asked for. */
export class HonoLayer {
  #app: Hono | undefined;

  get isUsed(): boolean {
    return this.#app !== undefined;
  }

  get app(): Hono {
    this.#app ??= createApp();
    return this.#app;
  }

  /** Runs a request through Hono's middleware and routes, and on to `last`. */
  async run(request: Request, last: Last): Promise<Response> {
    // By way of Hono's bindings, which belong to one request.
    return this.app.fetch(request, { last });
  }
}

function createApp(): Hono {
  const app = new Hono<{ Bindings: { last: Last } }>();
  app.notFound((c) => c.env.last(c.req.raw));
  // The runtime makes the response for every error, in one way.
  app.onError((error) => {
    throw error;
  });
  return app as unknown as Hono;
}

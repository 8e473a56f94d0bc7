import type { IncomingMessage, ServerResponse } from 'node:http';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import type { UploadRoute } from '../control-plane/templates/upload-route.js';
import { envdPort } from '../envd/envd.js';
import type { Gateway } from '../gateway/gateway.js';
import { findTarget, nowhere, type Target } from '../gateway/target.js';
import { allowPages } from '../http/cors.js';
import { refuseOn, sendJson } from '../http/messages.js';
import { checkRequest } from '../server/check-request.js';
import type { RequestHandlers } from '../server/listen.js';

/** What requests are led to. */
export interface DispatchOptions {
  logger: Logger;
  gateway: Gateway;
  upload: UploadRoute;
  serveApi: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** The domain whose names lead here; undefined where there is none. */
  domain: () => string | undefined;
}

/** Leads each request to a sandbox, to where files are uploaded to, or to the control plane. */
export function createDispatcher({
  gateway,
  upload,
  serveApi,
  domain,
  logger,
}: DispatchOptions): RequestHandlers {
  function targetOf(request: IncomingMessage): Target | undefined {
    checkRequest(request);
    const target = findTarget(request) ?? gateway.findBySignature(request);
    return target ?? nowhere(request.headers.host, domain());
  }

  return {
    async serve(request, response) {
      let target: Target | undefined;
      try {
        target = targetOf(request);
      } catch (error) {
        const { status, message } = refusalOf(error, logger);
        sendJson(response, status, { code: status, message }, { connection: 'close' });
        return;
      }
      // What pages of other origins may do with a port, and what caches may keep of it, is for its server to say.
      if (!target || target.port === envdPort) {
        response.setHeader('cache-control', 'no-store');
        if (allowPages(request, response)) return;
      }
      if (target) await gateway.handle(target, request, response);
      else if (upload.matches(request)) await upload.handle(request, response);
      else await serveApi(request, response);
    },
    async upgrade(request, socket, head) {
      try {
        const target = targetOf(request);
        if (!target) throw new HostError(404, 'WebSocket is spoken to ports of sandboxes only.');
        await gateway.upgrade(target, request, socket, head);
      } catch (error) {
        const { status, message } = refusalOf(error, logger);
        refuseOn(socket, status, message);
      }
    },
  };
}

function refusalOf(error: unknown, logger: Logger): { status: number; message: string } {
  if (HostError.isInstance(error)) return error;
  logger.error({ err: error }, 'A request could not be led anywhere');
  return { status: 500, message: 'The sandbox host failed; its log says more.' };
}

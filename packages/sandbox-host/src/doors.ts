import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UploadRoute } from './api/upload-route.js';
import { allowPages } from './cors.js';
import { envdPort } from './envd/envd.js';
import type { Gateway } from './gateway/gateway.js';
import { findTarget } from './gateway/target.js';
import { sendJson } from './http.js';
import type { Doors } from './listener/listen.js';

/** Leads each request to a sandbox, to where files are uploaded to, or to the control plane. */
export function openDoors(
  gateway: Gateway,
  upload: UploadRoute,
  serveApi: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Doors {
  return {
    async serve(request, response) {
      let target: ReturnType<typeof findTarget>;
      try {
        target = findTarget(request) ?? gateway.findBySignature(request);
      } catch (error) {
        const message = error instanceof Error ? error.message : '';
        sendJson(response, 400, { code: 400, message });
        return;
      }
      // What pages of other origins may do with a port is for its server to say.
      if ((!target || target.port === envdPort) && allowPages(request, response)) return;
      if (target) await gateway.handle(target, request, response);
      else if (upload.matches(request)) await upload.handle(request, response);
      else await serveApi(request, response);
    },
    async upgrade(request, socket, head) {
      const target = findTarget(request);
      if (target) await gateway.upgrade(target, request, socket, head);
      else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
    },
  };
}

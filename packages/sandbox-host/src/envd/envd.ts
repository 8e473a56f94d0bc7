import type { IncomingMessage, ServerResponse } from 'node:http';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { headerOf, sendJson, targetOf } from '../http/messages.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { hasToken, requireToken } from './access-token.js';
import type { Caller } from './caller.js';
import { ConnectServer } from './connect/connect-server.js';
import { compose, download, upload } from './files-rest.js';
import { filesystemService } from './filesystem-service.js';
import { Filesystem } from './gen/filesystem_pb.js';
import { Process } from './gen/process_pb.js';
import { parseUser } from './paths.js';
import { processService } from './process-service.js';
import { readState } from './sandbox-state.js';
import { readSignature } from './signature.js';

/** The version of E2B's in-sandbox API this speaks; the SDK asks it before it uses what came later. */
export const envdVersion = '0.6.4';
/** The port under which it is reached in every sandbox. */
export const envdPort = 49_983;

/** Serves the in-sandbox API of whichever sandbox a request is for. */
export type Envd = (sandbox: Sandbox, request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Makes the in-sandbox API: processes and files over the Connect protocol, file contents over plain HTTP. */
export function createEnvd(logger: Logger): Envd {
  const services = new ConnectServer<Caller>(logger)
    .service(Process, processService)
    .service(Filesystem, filesystemService);

  const serve: Envd = async (sandbox, request, response) => {
    const { pathname, query } = targetOf(request);
    const token = headerOf(request, 'x-access-token');
    const state = await readState(sandbox, pathname, token);
    if (state) {
      if (state.body === undefined) response.writeHead(state.status).end();
      else sendJson(response, state.status, state.body);
      return;
    }
    if (pathname === '/files') {
      const reading = request.method === 'GET' || request.method === 'HEAD';
      if (!reading && request.method !== 'POST') throw new HostError(405, '/files answers GET and POST.');
      const path = query.get('path') ?? undefined;
      const username = query.get('username') ?? undefined;
      if (!hasToken(sandbox, token)) {
        const signature = readSignature(request);
        if (!signature?.isOf(sandbox.accessToken)) {
          throw new HostError(401, 'The access token of the sandbox or a signature that holds is needed.');
        }
        // In E2B's words.
        if (signature.isExpired) throw new HostError(401, 'signature is already expired');
      }
      const user = parseUser(username, sandbox.settings.user);
      if (!reading) return upload(sandbox, path, user, request, response);
      if (path === undefined) throw new HostError(400, 'The query parameter "path" is missing.');
      return download(sandbox, path, user, request, response);
    }
    requireToken(sandbox, token);
    if (pathname === '/files/compose') return compose(sandbox, request, response);
    if (pathname.startsWith('/process.Process/')) cutWith(sandbox, response);
    // In its own time: a command may run for days.
    services
      .serve({ sandbox, username: basicUser(request) }, pathname, request, response)
      .catch((error: unknown) => {
        logger.error({ err: error }, `A call of sandbox ${sandbox.id} failed`);
        response.destroy();
      });
  };
  return async (sandbox, request, response) => {
    try {
      await serve(sandbox, request, response);
    } catch (error) {
      // Who has gone hears nothing, and is no trouble of ours.
      if (HostError.isInstance(error) || request.destroyed) throw error;
      const shortage = shortageOf(error);
      if (shortage) throw shortage;
      logger.error({ err: error }, `A request to envd of sandbox ${sandbox.id} failed`);
      throw new HostError(500, 'The sandbox host failed; its log says more.', { cause: error });
    }
  };
}

/** Who follows a command hears that the sandbox has ended, not that the command was killed: E2B's SDK asks then. */
function cutWith({ signal }: Sandbox, response: ServerResponse): void {
  const cut = (): unknown => response.destroy();
  signal.addEventListener('abort', cut);
  response.once('close', () => signal.removeEventListener('abort', cut));
}

/** The SDK names the user by HTTP's Basic scheme, without a password. */
function basicUser(request: IncomingMessage): string | undefined {
  const [scheme, value] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || !value) return undefined;
  return Buffer.from(value, 'base64').toString('utf8').split(':')[0];
}

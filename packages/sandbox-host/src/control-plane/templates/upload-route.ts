import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { sendJson } from '../../http/messages.js';
import { sameSecret } from '../../http/same-secret.js';
import type { UploadedFiles } from '../../templates/uploaded-files.js';

const pathPattern = /^\/x\/uploads\/([a-z0-9]+)\/([0-9a-f]+)\?key=([0-9a-f]+)$/;

/** Where the SDK sends the archive of a COPY step: without the API key, so the URL itself has to say who may. */
export interface UploadRoute {
  url(templateId: string, hash: string): string;
  matches(request: IncomingMessage): boolean;
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export function uploadRoute(uploads: UploadedFiles, secret: string, origin: () => string): UploadRoute {
  const keyOf = (templateId: string, hash: string): string =>
    createHmac('sha256', secret).update(`${templateId}/${hash}`).digest('hex');
  return {
    url: (templateId, hash) => `${origin()}/x/uploads/${templateId}/${hash}?key=${keyOf(templateId, hash)}`,
    matches: (request) => request.url?.startsWith('/x/uploads/') ?? false,
    async handle(request, response) {
      try {
        const [, templateId = '', hash = '', key = ''] = pathPattern.exec(request.url ?? '') ?? [];
        if (!sameSecret(key, keyOf(templateId, hash))) {
          throw new HostError(403, 'This is not an upload address of this host.');
        }
        if (request.method !== 'PUT') throw new HostError(405, 'Uploads are made with PUT.');
        await uploads.put(templateId, hash, request);
        response.writeHead(200).end();
      } catch (error) {
        const refusal = HostError.isInstance(error) ? error : shortageOf(error);
        const { status, message } = refusal ?? { status: 500, message: 'The upload could not be kept.' };
        sendJson(response, status, { code: status, message });
      }
    },
  };
}

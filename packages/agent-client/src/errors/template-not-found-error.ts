import { AgentClientError } from './agent-client-error.js';

/** The platform knows no template of that id or name. */
export class TemplateNotFoundError extends AgentClientError {
  static override readonly kind: string = 'TemplateNotFoundError';
  override readonly code = 'template_not_found' as const;
}

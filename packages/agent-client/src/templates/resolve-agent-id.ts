import { TemplateNotFoundError } from '../errors/template-not-found-error.js';
import type { TemplateManager } from './template-manager.js';

/** What an agent's id may name: a template whose own name may have hyphens, or one by what follows the last hyphen. */
export function possibleTemplates(agentId: string): [name: string, templateId?: string] {
  const name = agentId.startsWith('arn:') ? agentId.slice(agentId.lastIndexOf('/') + 1) : agentId;
  const templateId = name.slice(name.lastIndexOf('-') + 1);
  return templateId === name ? [name] : [name, templateId];
}

/**
 * Finds the template behind an agent's id: `name-templateId`, an ARN that ends so, or a template's own id or name.
 *
 * @throws TemplateNotFoundError when it is none of them.
 */
export async function resolveAgentId(
  templates: TemplateManager,
  agentId: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const [name, templateId] = possibleTemplates(agentId);
  if (templateId === undefined || (await templates.templateExists(name, options))) return name;
  if (await templates.templateExists(templateId, options)) return templateId;
  throw new TemplateNotFoundError(`There is no template ${name}, nor one of id ${templateId}.`);
}

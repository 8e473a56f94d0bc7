import type { AuthManager } from '../auth/auth-manager.js';
import { checkOptions } from '../check-options.js';
import { AgentClientError } from '../errors/agent-client-error.js';
import { TemplateNotFoundError } from '../errors/template-not-found-error.js';
import { Platform } from '../platform/platform.js';
import { PlatformAnswer, translate } from '../platform/platform-error.js';
import { type PlatformOptions, platformSettings } from '../platform/platform-settings.js';
import { type AgentTemplate, toTemplate } from './agent-template.js';

/** Which templates to list. */
export interface ListTemplatesOptions {
  /** Only templates that have all of these. */
  tags?: readonly string[] | undefined;
  /** Only templates whose name contains this, in any letter case. */
  nameFilter?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Looks up templates. Each call asks the platform: nothing is cached. */
export class TemplateManager {
  readonly #platform: Platform;

  /** A client has one ready: `client.templates`. */
  constructor(auth: AuthManager, options: PlatformOptions = {}) {
    this.#platform = new Platform(platformSettings(options, auth), auth);
  }

  /** The account's templates. @throws AuthenticationError, NetworkError, RateLimitError. */
  async listTemplates(options: ListTemplatesOptions = {}): Promise<AgentTemplate[]> {
    checkOptions('listTemplates', options);
    const { tags = [], nameFilter = '', signal } = options;
    const rows = await this.#ask('list the templates', signal, (abort) =>
      this.#platform.api().GET('/templates', { signal: abort }),
    );
    return rows
      .map(toTemplate)
      .filter(
        (template) =>
          template.name.toLowerCase().includes(nameFilter.toLowerCase()) &&
          tags.every((tag) => template.tags.includes(tag)),
      );
  }

  /**
   * One template, by its id or name.
   *
   * @throws TemplateNotFoundError when there is none.
   */
  async getTemplate(
    templateId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<AgentTemplate> {
    const row = await this.#ask(`look up template ${templateId}`, options.signal, (signal) =>
      this.#platform
        .api()
        .GET('/templates/{templateID}', { params: { path: { templateID: templateId } }, signal }),
    );
    return toTemplate(row);
  }

  /** Whether a template of that id or name exists. */
  async templateExists(
    templateId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    try {
      await this.getTemplate(templateId, options);
      return true;
    } catch (error) {
      if (TemplateNotFoundError.isInstance(error)) return false;
      throw error;
    }
  }

  async #ask<T>(
    doing: string,
    caller: AbortSignal | undefined,
    request: (signal: AbortSignal) => Promise<{ data?: T; error?: unknown; response: Response }>,
  ): Promise<T> {
    const late = this.#platform.requestSignal();
    const attempted = { doing, notFound: TemplateNotFoundError, failed: AgentClientError, signal: caller };
    try {
      const { data, error, response } = await request(caller ? AbortSignal.any([caller, late]) : late);
      if (data !== undefined) return data;
      throw new PlatformAnswer(response.status, error);
    } catch (error) {
      throw translate(error, attempted, this.#platform);
    }
  }
}

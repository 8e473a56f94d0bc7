import type { Target } from './target.js';

/** What a browser shows of a request that could not be handed on. */
export function refusalPage(title: string, message: string, { sandboxId, port }: Target): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${asText(title)}</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 36rem; padding: 0 1rem }</style>
<h1>${asText(title)}</h1>
<p>${asText(message)}.</p>
<dl><dt>Sandbox</dt><dd><code>${asText(sandboxId)}</code></dd><dt>Port</dt><dd><code>${port}</code></dd></dl>
</html>
`;
}

/** Ids come from callers. */
function asText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

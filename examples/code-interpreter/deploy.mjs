import { fileURLToPath } from 'node:url';
import { Template, waitForURL } from 'e2b';

/**
 * Makes a template that the code interpreter SDK runs code in, on any platform that speaks E2B's API.
 *
 * @param {string} name - The template's alias. The SDK's own default is `code-interpreter-v1`.
 * @param {{ apiKey: string, apiUrl?: string, domain?: string }} platform
 */
export async function deploy(name, platform) {
  const template = Template({ fileContextPath: fileURLToPath(new URL('.', import.meta.url)) })
    .fromTemplate('base')
    .copy('server', '/home/user/.code-interpreter')
    .setStartCmd('python3 .code-interpreter/main.py', waitForURL('http://localhost:49999/health'));
  await Template.build(template, name, { cpuCount: 2, memoryMB: 2048, ...platform });
}

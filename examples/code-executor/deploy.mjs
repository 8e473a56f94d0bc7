import { fileURLToPath } from 'node:url';
import { deployAgent } from '../deploy-agent.mjs';

const agent = {
  folder: fileURLToPath(new URL('.', import.meta.url)),
  metadata: {
    name: 'code-executor',
    version: '0.1.0',
    author: 'agents@example.com',
    description: 'Runs Python and JavaScript, each run with limits of its own.',
  },
  resources: { cpuCount: 2, memoryMB: 4096 },
  // Code of strangers: it reaches nothing.
  network: { allowInternetAccess: false },
};

/** Makes a template of the built agent: see `deployAgent` for what a platform is. */
export const deploy = (name, platform) => deployAgent(agent, name, platform);

import { fileURLToPath } from 'node:url';
import { deployAgent } from '../deploy-agent.mjs';

const agent = {
  folder: fileURLToPath(new URL('.', import.meta.url)),
  metadata: {
    name: 'basic-agent',
    version: '0.1.0',
    author: 'agents@example.com',
    description: 'Answers, streams and remembers.',
  },
  resources: { cpuCount: 1, memoryMB: 2048 },
};

/** Makes a template of the built agent: see `deployAgent` for what a platform is. */
export const deploy = (name, platform) => deployAgent(agent, name, platform);

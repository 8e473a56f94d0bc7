import { fileURLToPath } from 'node:url';
import { deployAgent } from '../deploy-agent.mjs';

const agent = {
  folder: fileURLToPath(new URL('.', import.meta.url)),
  metadata: {
    name: 'web-navigator',
    version: '0.1.0',
    author: 'agents@example.com',
    description: 'Opens web pages, extracts what is asked for and takes screenshots.',
  },
  resources: { cpuCount: 2, memoryMB: 4096 },
  // The web, and no private network, nor a cloud's metadata address.
  network: {
    denyOut: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  },
  packages: ['playwright-core'],
};

/** Makes a template of the built agent: see `deployAgent` for what a platform is. */
export const deploy = (name, platform) => deployAgent(agent, name, platform);

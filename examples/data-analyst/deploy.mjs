import { fileURLToPath } from 'node:url';
import { deployAgent } from '../deploy-agent.mjs';

const agent = {
  folder: fileURLToPath(new URL('.', import.meta.url)),
  metadata: {
    name: 'data-analyst',
    version: '0.1.0',
    author: 'agents@example.com',
    description: 'Profiles a data file, answers questions about it in SQL and draws a chart.',
  },
  resources: { cpuCount: 4, memoryMB: 8192 },
  // A database with a native part.
  packages: ['@duckdb/node-api'],
};

/** Makes a template of the built agent: see `deployAgent` for what a platform is. */
export const deploy = (name, platform) => deployAgent(agent, name, platform);

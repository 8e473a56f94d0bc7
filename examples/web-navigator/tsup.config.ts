import type { Options } from 'tsup';
import { agentBuild } from '../tsup.agent.js';

const options: Options = agentBuild('playwright-core');

export default options;

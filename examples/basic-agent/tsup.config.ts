import type { Options } from 'tsup';
import { agentBuild } from '../tsup.agent.js';

const options: Options = agentBuild();

export default options;

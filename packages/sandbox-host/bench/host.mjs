// The host under test, in a process of its own: says how it is reached, then what it uses whenever it is asked.
import { createSandboxHost } from '../dist/index.js';
import { reportUsage } from './usage.mjs';

const swapFileMB = Number(process.env.BENCH_SWAP_MB) || undefined;
const host = await createSandboxHost({ swapFileMB });
const { apiUrl, sandboxUrl, apiKey } = host;
process.once('disconnect', () => host.close().finally(() => process.exit(0)));
// A terminal's interrupt reaches every process of the benchmark; the one that started this one ends it in its turn.
process.on('SIGINT', () => {});
reportUsage();
process.send({ apiUrl, sandboxUrl, apiKey });

// What each published package declares, as reports that are reviewed: packages/*/api/*.api.md, one for each entry point.
// Run by itself it says which do not match, or with --update writes them.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { root } from './run.mjs';
import { setUp } from './setup.mjs';

const published = ['agent-runtime', 'agent-client', 'sandbox-host'];

/**
 * Compares the declarations of one built package with its reports.
 *
 * @param {string} folder - Where its package.json is.
 * @param {boolean} [update] - Whether reports that do not match are written.
 * @returns {Promise<string[]>} What does not match, or is declared and not exported, each in a sentence.
 */
export async function changedReports(folder, update = false) {
  const name = basename(folder);
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const temporary = await mkdtemp(join(tmpdir(), 'sandpiper-api-'));
  const reports = join(folder, 'api');
  await mkdir(reports, { recursive: true });
  const problems = [];
  try {
    for (const types of declarations(exports)) {
      const entry = basename(types, '.d.ts');
      const reportFileName = `${entry === 'index' ? name : `${name}.${entry}`}.api.md`;
      const config = ExtractorConfig.prepare({
        configObject: {
          projectFolder: folder,
          mainEntryPointFilePath: join(folder, types),
          compiler: { overrideTsconfig: { compilerOptions, files: [join(folder, types)] } },
          apiReport: {
            enabled: true,
            reportFileName,
            reportFolder: reports,
            reportTempFolder: temporary,
          },
          newlineKind: 'lf',
          messages: {
            compilerMessageReporting: { default: { logLevel: 'error' } },
            extractorMessageReporting: {
              default: { logLevel: 'none' },
              // Of what other entry points take, a program gets the types from the main one.
              ...(isWhole(entry) && { 'ae-forgotten-export': { logLevel: 'error' } }),
            },
            tsdocMessageReporting: { default: { logLevel: 'none' } },
          },
        },
        configObjectFullPath: undefined,
        packageJsonFullPath: join(folder, 'package.json'),
      });
      const { apiReportChanged } = Extractor.invoke(config, {
        localBuild: update,
        messageCallback: (message) => {
          message.handled = true;
          // The entry point for Workers exports it, as AgentRuntimeApp; its report has the members.
          if (message.text.includes('"PortableApp"')) return;
          if (message.logLevel === 'error') problems.push(`${name}, ${types}: ${message.text}`);
        },
      });
      if (!apiReportChanged) continue;
      if (update) console.log(`packages/${name}/api/${reportFileName} is written.`);
      else problems.push(`packages/${name}/api/${reportFileName} is not what ${types} declares.`);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return problems;
}

const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable', 'esnext.disposable'],
  module: 'nodenext',
  strict: true,
  skipLibCheck: true,
  types: ['node'],
};

/** Whether an entry point exports every type that it uses. */
function isWhole(entry) {
  return ['index', 'worker', 'testing'].includes(entry);
}

/** The declarations that an exports map names for modules, each once. */
function declarations(exports) {
  const found = new Set();
  const visit = (node) => {
    if (typeof node === 'string') return;
    for (const [condition, value] of Object.entries(node)) {
      if (condition === 'types' && value.endsWith('.d.ts')) found.add(value);
      else visit(value);
    }
  };
  visit(exports);
  return [...found];
}

if (import.meta.filename === process.argv[1]) {
  await setUp();
  const problems = [];
  for (const name of published) {
    problems.push(...(await changedReports(join(root, 'packages', name), process.argv[2] === '--update')));
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

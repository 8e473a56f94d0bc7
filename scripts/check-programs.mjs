/**
 * Checks the syntax of programs in other languages: Perl, Python and shell. A tool that is not installed is named and its
 * files are left out.
 *
 *     node scripts/check-programs.mjs
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run.mjs';

const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
const filesOf = (pattern) => tracked.filter((file) => pattern.test(file));
const scratch = mkdtempSync(join(tmpdir(), 'check-programs-'));

const checks = [
  {
    tool: 'perl',
    // Parts of one program: what another part declares is said here.
    args: (file) => ['-Mstrict', '-Mwarnings=FATAL,syntax', '-Mvars=%sys,$new_user', '-c', file],
    files: filesOf(/\.pl$/),
  },
  {
    tool: 'python3',
    args: (file) => ['-m', 'py_compile', file],
    files: filesOf(/\.py$/),
  },
  {
    tool: 'shellcheck',
    args: (file) => [file],
    files: filesOf(/\.sh$|^\.ci\/run$/),
  },
];

let failed = 0;
for (const { tool, args, files } of checks) {
  if (spawnSync(tool, ['--version']).error) {
    console.log(`${tool} is not installed: ${files.length} files were not checked.`);
    continue;
  }
  for (const file of files) {
    const env = { ...process.env, PYTHONPYCACHEPREFIX: scratch };
    const { status, stdout, stderr } = spawnSync(tool, args(file), { cwd: root, encoding: 'utf8', env });
    if (status === 0) continue;
    failed += 1;
    console.error(`${file}:\n${stdout}${stderr}`);
  }
  console.log(`${tool}: ${files.length} files.`);
}
rmSync(scratch, { recursive: true, force: true });
process.exit(failed > 0 ? 1 : 0);

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** CPU time that everything this process has started has used so far, in milliseconds. */
export async function cpuMs() {
  return (await descendantsOf(process.pid)).reduce((total, { cpuMs }) => total + cpuMs, 0);
}

/**
 * The processes below one, whatever number of generations.
 *
 * @returns {Promise<{ pid: number, parent: number, cpuMs: number }[]>}
 */
export async function descendantsOf(ancestor) {
  const processes = process.platform === 'linux' ? await fromProc() : await fromPs();
  const family = new Set([ancestor]);
  // A child's id is not always above its parent's: look again until nobody new is found.
  for (let known = 0; known !== family.size; ) {
    known = family.size;
    for (const { pid, parent } of processes) if (family.has(parent)) family.add(pid);
  }
  return processes.filter(({ pid }) => pid !== ancestor && family.has(pid));
}

// proc(5), stat: after the command in brackets come the state, the parent … and, as 12th and 13th, user and
// system time in ticks of 10 ms.
async function fromProc() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return pids.flatMap((pid, index) => {
    const fields = stats[index].slice(stats[index].lastIndexOf(')') + 2).split(' ');
    if (fields.length < 13) return [];
    return [
      { pid: Number(pid), parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 },
    ];
  });
}

async function fromPs() {
  const { stdout } = await run('ps', ['-axo', 'pid=,ppid=,time=,comm=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , command]) => !/(^|\/)ps$/.test(command))
    .map(([pid, parent, time]) => ({ pid: Number(pid), parent: Number(parent), cpuMs: milliseconds(time) }));
}

// [[hours:]minutes:]seconds, with a fraction on macOS.
function milliseconds(time) {
  return Math.round(time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
}

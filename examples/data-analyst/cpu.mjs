import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** CPU time that everything this process has started has used so far, in milliseconds. */
export async function cpuMs() {
  const processes = process.platform === 'linux' ? await fromProc() : await fromPs();
  const descendants = new Set([process.pid]);
  let total = 0;
  // A child's id is not always above its parent's: look again until nothing new is found.
  for (let found = 0; found !== descendants.size; ) {
    found = descendants.size;
    for (const { pid, parent } of processes) if (descendants.has(parent)) descendants.add(pid);
  }
  for (const { pid, ms } of processes) if (pid !== process.pid && descendants.has(pid)) total += ms;
  return total;
}

// proc(5): after the command in brackets come state, parent … and, as 12th and 13th, user and system time
// in ticks of 10 ms.
async function fromProc() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)),
  );
  return pids.flatMap((pid, index) => {
    const fields = stats[index]?.slice(stats[index].lastIndexOf(')') + 2).split(' ');
    return fields
      ? [{ pid: Number(pid), parent: Number(fields[1]), ms: (Number(fields[11]) + Number(fields[12])) * 10 }]
      : [];
  });
}

async function fromPs() {
  const { stdout, child } = await runPs();
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, time]) => ({ pid: Number(pid), parent: Number(parent), ms: milliseconds(time) }))
    .filter(({ pid }) => pid !== child.pid);
}

async function runPs() {
  const running = run('ps', ['-axo', 'pid=,ppid=,time=']);
  return { ...(await running), child: running.child };
}

// [[hours:]minutes:]seconds, with a fraction on macOS.
function milliseconds(time) {
  return Math.round(time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
}

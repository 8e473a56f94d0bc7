// Runs sandboxes, agents and agent-client through reverse proxies of Debian 12, and prints what comes through.
//   node scripts/try-behind-proxies.mjs [nginx haproxy …] [--without] [--print]
// --without leaves one line of the configuration out at a time, and prints what fails then.
// --print prints the configurations as docs/behind-a-proxy.md has them, and runs nothing.
// As root it installs the packages that are missing, without starting them; they stay installed. Every proxy is a process
// of its own on loopback, with a temporary folder; all of that is gone in the end, also after Ctrl-C.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, unlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checks, remarks, timed } from './behind-proxies/checks.mjs';
import { asPrinted, lines, optional, proxies } from './behind-proxies/proxies.mjs';
import { setUp } from './setup.mjs';

/** So that calls are silent for longer than a proxy waits, without trying anyone's patience. Heartbeats are 15 s and 20 s. */
const idleSeconds = 22;
const silentSeconds = 26;
/** Who proxies run as when this runs as root. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    without: { type: 'boolean', default: false },
    print: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '4' },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(proxies);
for (const name of wanted) {
  if (!(name in proxies)) throw new Error(`No proxy ${name}: ${Object.keys(proxies).join(', ')}`);
}

/** The work of {@link alone} that was begun last. */
let last = Promise.resolve();
/** What is to be undone, the last first. */
const undo = [];
let ending;
const end = () => {
  ending ??= (async () => {
    for (const step of undo.reverse()) await step().catch((error) => console.error(error));
  })();
  return ending;
};

if (options.print) {
  console.log(wanted.map(asPrinted).join('\n\n'));
} else {
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 }))
    process.on(signal, () => end().then(() => process.exit(code)));
  // Whatever happens, no proxy is left.
  process.on('uncaughtException', (error) => {
    console.error(error);
    end().then(() => process.exit(1));
  });
  try {
    await main();
  } finally {
    await end();
  }
  // Connections of calls that were given up may still be open.
  process.exit();
}

async function main() {
  await setUp();
  const present = wanted.filter(install);
  const host = await startHost();
  const rows = new Map();
  const jobs = present.flatMap((name) => [
    { name },
    ...(options.without ? optional(name).map((line) => ({ name, without: line })) : []),
  ]);
  const next = async () => {
    for (let job = jobs.shift(); job && !ending; job = jobs.shift()) {
      const began = performance.now();
      const results = await trial(job, host);
      rows.set(job, results);
      const failed = Object.entries(results).filter(([, { ok }]) => !ok);
      const summary =
        failed.map(([check, { text }]) => `${checks[check]}: ${text}`).join('; ') || 'all came through';
      const left = job.without ? ` without ${job.without.name}` : '';
      console.log(`${job.name}${left}, ${Math.round((performance.now() - began) / 1000)} s: ${summary}`);
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, next));
  for (const name of present) {
    const [, whole] = [...rows].find(([job]) => job.name === name && !job.without);
    if (Object.values(whole).some(({ ok }) => !ok)) process.exitCode = 1;
  }
  print(present, rows);
}

function print(present, rows) {
  const row = (cells) => `| ${cells.join(' | ')} |`;
  const whole = new Map(
    [...rows].filter(([job]) => !job.without).map(([job, results]) => [job.name, results]),
  );
  console.log(`\n${row(['', ...present.map((name) => proxies[name].title)])}`);
  console.log(row(['---', ...present.map(() => '---')]));
  for (const [check, title] of Object.entries(checks)) {
    console.log(row([title, ...present.map((name) => whole.get(name)[check]?.text ?? '–')]));
  }
  if (!options.without) return;
  for (const name of present) {
    console.log(`\n${proxies[name].title} without\n`);
    for (const [{ name: of, without }, results] of rows) {
      if (of !== name || !without) continue;
      // Of a timeout, what it does by default is said in any case.
      const differs = Object.keys(results).filter(
        (check) =>
          (without.defaultSeconds && timed.includes(check)) ||
          gist(check, results[check]) !== gist(check, whole.get(name)[check]),
      );
      const said = differs.map((check) => `${checks[check]}: ${results[check].text}`);
      console.log(`- ${without.name}: ${said.join('; ') || 'nothing differs'}`);
    }
  }
}

/** What of a result is to be compared: some seconds more or less say nothing. */
function gist(check, result) {
  if (![...remarks, 'left'].includes(check)) return result?.ok;
  return result?.text.replace(/\d+(?= s$)/, (seconds) => String(Math.round(seconds / 10)));
}

/** Installs a proxy's package where it is missing, without starting it. @returns {boolean} Whether it is there. */
function install(name) {
  const { package: wants } = proxies[name];
  const installed = () => {
    try {
      const said = execFileSync('dpkg', ['--status', wants], {
        stdio: ['ignore', 'pipe', 'ignore'],
      }).toString();
      return /^Status: install ok installed$/m.test(said) && /^Version: (.*)$/m.exec(said)[1];
    } catch {
      return false;
    }
  };
  if (!installed() && isRoot) {
    console.log(`installing ${wants}`);
    // invoke-rc.d(8) asks this file; 101 forbids what a package wants to start.
    const policy = '/usr/sbin/policy-rc.d';
    const own = !existsSync(policy);
    if (own) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    try {
      execFileSync('apt-get', ['install', '-qq', '--no-install-recommends', wants], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdio: ['ignore', 'ignore', 'inherit'],
        timeout: 300_000,
      });
    } catch (error) {
      console.error(`${wants}: ${error.message}`);
    } finally {
      if (own) unlinkSync(policy);
    }
  }
  const version = installed();
  console.log(version ? `${wants} ${version}` : `${wants} is missing: apt-get install ${wants}`);
  return Boolean(version);
}

async function startHost() {
  const { createSandboxHost } = await import('@sandpiper/sandbox-host');
  const { Template, waitForURL } = await import('e2b');
  const { build } = await import('tsup');
  const folder = await temporaryFolder();
  await build({
    entry: [here('behind-proxies/agent.mjs')],
    format: ['cjs'],
    noExternal: [/./],
    target: 'node20',
    outDir: folder,
    config: false,
    silent: true,
  });
  const domain = 'sandboxes.test';
  const port = await freePort();
  const host = await createSandboxHost({ port, domain });
  undo.push(() => host.close());
  const direct = `http://127.0.0.1:${port}`;
  const template = Template({ fileContextPath: folder })
    .fromTemplate('base')
    .copy('agent.cjs', '.')
    .setStartCmd('node agent.cjs', waitForURL('http://localhost:8080/ping'));
  await Template.build(template, 'behind-proxies', { apiKey: host.apiKey, apiUrl: direct });
  return { direct, domain, apiKey: host.apiKey, template: 'behind-proxies', upstream: `127.0.0.1:${port}` };
}

/** One at a time: what is measured in ms must not be measured beside another's. */
function alone(work) {
  last = last.then(work, work);
  return last;
}

async function trial({ name, without }, { upstream, ...host }) {
  const { tryProxy } = await import('./behind-proxies/trial.mjs');
  const proxy = proxies[name];
  const port = await freePort();
  const folder = await temporaryFolder();
  // Where one timeout is left out, the others must not come before it.
  const waits = without?.defaultSeconds ? 3_600 : idleSeconds;
  const config = lines(proxy.config({ port, upstream, idleSeconds: waits }), without);
  const [command, ...args] = await proxy.start({ folder, port, config });
  if (isRoot) execFileSync('chown', ['-R', `${nobody}:${nobody}`, folder]);
  let running;
  const start = async () => {
    if (ending) throw new Error('stopped');
    const child = spawn(command, args, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(isRoot && { uid: nobody, gid: nobody }),
      env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: folder, TMPDIR: folder },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said = (said + chunk).slice(-2_000);
      });
    const exited = once(child, 'exit');
    running = async () => {
      try {
        // The whole group: most have workers.
        process.kill(-child.pid, 'SIGKILL');
      } catch {}
      await exited;
    };
    for (let waited = 0; !(await listens(port)); waited += 50) {
      if (child.exitCode !== null || waited > 15_000) throw new Error(`${name} does not start: ${said}`);
      await setTimeout(50);
    }
  };
  const stop = async () => {
    await running?.();
    await rm(folder, { recursive: true, force: true });
  };
  undo.push(stop);
  try {
    await start();
    return await tryProxy({
      ...host,
      at: `http://127.0.0.1:${port}`,
      silentSeconds: without?.defaultSeconds ? without.defaultSeconds + 4 : silentSeconds,
      alone,
      restart: async () => {
        await running();
        await start();
      },
    });
  } catch (error) {
    return { late: { ok: false, text: error.message } };
  } finally {
    await stop();
  }
}

async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'behind-a-proxy-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function listens(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

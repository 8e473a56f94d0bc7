#!/usr/bin/env bash
# fs.watch of Node.js loses events without a word when the kernel's queue is full; chokidar finds the files all the same.
#
# Packages:    chokidar 5.0.0 on Node.js 20.20.2, beside Node's own fs.watch. Linux, with fs.inotify.max_queued_events at its default of 16,384.
# Expectation: a program that is busy for a moment gets an event for each file that was made meanwhile, or an `error` that
#              says that some were lost: the kernel reports it (IN_Q_OVERFLOW, inotify(7)).
# Behaviour:   events for a part of the files, and nothing else: no error, no event without a name. chokidar, which reads
#              the directory again on an event, finds all of them when it gets any.
# Seen:        fs.watch: 40000 files, events for fewer: true, errors: 0, events without a name: 0
#              chokidar: 40000 files, events for fewer: false
# Exits non-zero when any of that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts chokidar@5.0.0 >/dev/null
mkdir plain other

cat >program.mjs <<'PROGRAM'
import { execFileSync } from 'node:child_process';
import { readdirSync, watch } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import chokidar from 'chokidar';

// The program is busy while another makes files.
const makeFiles = (directory) => execFileSync('sh', ['-c', 'cd "$0" && seq 1 40000 | xargs touch', directory]);

const seen = new Set();
let [nameless, errors] = [0, 0];
const watcher = watch('plain', (_, name) => (name ? seen.add(name) : (nameless += 1)));
watcher.on('error', () => (errors += 1));
makeFiles('plain');
await setTimeout(3_000);
watcher.close();
const made = readdirSync('plain').length;
console.log(`fs.watch: ${made} files, events for fewer: ${seen.size < made}, errors: ${errors}, events without a name: ${nameless}`);

const found = new Set();
const other = chokidar.watch('other', { ignoreInitial: true }).on('add', (path) => found.add(path));
await new Promise((resolve) => other.once('ready', resolve));
makeFiles('other');
for (let wait = 0; wait < 60 && found.size < 40_000; wait += 1) await setTimeout(500);
console.log(`chokidar: ${readdirSync('other').length} files, events for fewer: ${found.size < 40_000}`);
process.exit();
PROGRAM
node program.mjs | tee seen.txt
diff seen.txt - <<'EXPECTED'
fs.watch: 40000 files, events for fewer: true, errors: 0, events without a name: 0
chokidar: 40000 files, events for fewer: false
EXPECTED

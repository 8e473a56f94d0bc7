// Runs cells of JavaScript one after the other, in one scope: see python_kernel.py for what is said on which descriptor.
const { createReadStream, writeSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { start } = require('node:repl');
const { PassThrough } = require('node:stream');
const { inspect } = require('node:util');

const send = (message) => writeSync(4, `${JSON.stringify(message)}\n`);

// Node's own evaluation of what is typed: it knows `await` at the top level, and `const` that later cells see.
const repl = start({
  input: new PassThrough(),
  output: new PassThrough(),
  prompt: '',
  useGlobal: true,
  breakEvalOnSigint: true,
});

/** Ends the run that is under way. */
let fail = () => {};
const onInterrupt = () => fail(new Error('The run was interrupted.'));
// Where it has a domain, what code throws at once goes there and not to the callback.
repl._domain?.on('error', (error) => fail(error));
// A cell's promise that nobody waits for ends no kernel.
process.on('unhandledRejection', (error) => console.error(error));

/** Settles with the value of a cell, or rejects with what it threw. */
async function evaluate(code, name) {
  // Node stops a loop on SIGINT only when nobody else listens, and its handler is not gone before the next turn.
  process.off('SIGINT', onInterrupt);
  await new Promise(setImmediate);
  return new Promise((resolve, reject) => {
    // Code that is not finished is wrong here: there is no next line.
    fail = (error) => reject(error?.err ?? error);
    repl.eval(code, repl.context, name, (error, value) => {
      if (error) fail(error);
      else resolve(value);
    });
    process.on('SIGINT', onInterrupt);
  });
}

async function runCell({ code, envs, number }) {
  const before = { ...process.env };
  Object.assign(process.env, envs);
  try {
    const value = await evaluate(`${code}\n`, `<cell ${number}>`);
    if (value !== undefined) send({ type: 'result', is_main_result: true, text: inspect(value) });
  } catch (error) {
    const isError = error instanceof Error || typeof error?.stack === 'string';
    send({
      type: 'error',
      name: isError ? error.name : 'Error',
      value: isError ? error.message : inspect(error),
      traceback: isError ? error.stack : inspect(error),
    });
  } finally {
    for (const name of Object.keys(envs)) {
      if (name in before) process.env[name] = before[name];
      else delete process.env[name];
    }
    send({ type: 'end' });
  }
}

process.on('SIGINT', onInterrupt);
let last = Promise.resolve();
createInterface({ input: createReadStream('', { fd: 3 }) })
  .on('line', (line) => {
    last = last.then(() => runCell(JSON.parse(line)));
  })
  .on('close', () => process.exit());

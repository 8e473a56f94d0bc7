import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

const server = (port: number) => `require("http").createServer((q, s) => s.end("up")).listen(${port})`;

describeHosts(
  'the start command of a template',
  (fixture) => {
    const { Template, waitForPort } = fixture.sdk;

    async function build(name: string, startCmd: string, readyCmd: string | ReturnType<typeof waitForPort>) {
      const lines: string[] = [];
      const failure = await Template.build(
        Template().fromTemplate('base').setStartCmd(startCmd, readyCmd),
        name,
        { ...fixture.connection, onBuildLogs: ({ message }) => void lines.push(message) },
      ).then(
        () => undefined,
        (error: Error) => error.message,
      );
      return { lines, failure };
    }

    test('may leave its server in the background and end with 0: the ready command decides', async () => {
      // The second look comes after the command has ended.
      const ready = `sleep 0.5; curl -sf http://localhost:8080 || node -e 'require("http").get("http://localhost:8080", (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))'`;
      const start = `nohup sh -c 'sleep 1.5; exec node -e "${server(8080).replaceAll('"', '\\"')}"' > /dev/null 2>&1 & echo left it`;
      expect((await build('background', start, ready)).failure).toBeUndefined();
      const sandbox = await fixture.create('background');
      const response = await fetch(fixture.host.sandboxUrl, {
        headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '8080' },
      });
      expect(await response.text()).toBe('up');
      await sandbox.kill();
    });

    test('that fails shows the message, which Node.js prints first, and the last lines', async () => {
      const script = [
        'for (let i = 0; i < 30; i++) console.log("line", i);',
        'function deep(n) { if (n) return deep(n - 1); throw new Error("no key in MY_KEY"); }',
        'deep(50);',
      ].join(' ');
      const { lines, failure } = await build('throws', `node -e '${script}'`, waitForPort(8080));
      expect(failure).toMatch(/start command ended \(exit code 1\)\. Its output: .*Error: no key in MY_KEY/);
      expect(failure).toMatch(/Node\.js v\d+/);
      // All of it is in the log.
      for (let i = 0; i < 30; i++) expect(lines).toContain(`line ${i}`);
      expect(lines.join('\n')).toMatch(/Error: no key in MY_KEY\n +at deep/);
    });

    test('that a signal ends says which, and a ready command that fails says what it wrote', async () => {
      const killed = await build('killed', 'echo begun; kill -TERM $$; sleep 10', waitForPort(8080));
      expect(killed.failure).toMatch(/ended \(signal: terminated\)\. Its output: begun/);
      const unready = await build('unready', 'sleep 2; exit 3', 'no-such-tool --check');
      expect(unready.failure).toMatch(/ended \(exit code 3\).*ready command's output: .*no-such-tool/);
    });
  },
  { withOlderSdk: true },
);

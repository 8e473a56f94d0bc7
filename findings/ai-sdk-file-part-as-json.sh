#!/usr/bin/env bash
# A file in the AI SDK's `fullStream` loses its documented fields when it becomes JSON.
#
# Packages:    ai 5.0.277 and 6.0.326, run on Node 20.20.2 with the packages' own mock models.
# Expectation: a part of `fullStream` is plain data like the other parts of that stream (text, reasoning, tool calls), so
#              JSON.parse(JSON.stringify(part)).file has the documented `base64` and `mediaType`.
# Behaviour:   `file` is an object of a class whose `base64` and `uint8Array` are getters of its prototype. JSON has
#              neither: it has the fields behind them, `base64Data` for a file that the provider gave as text and
#              `uint8ArrayData`, an object with a key for each byte, for one given as bytes. In the second case the text
#              form appears only if somebody read `base64` before.
# Seen:        5.0.277 text: base64 undefined, base64Data string, uint8ArrayData undefined
#              5.0.277 bytes: base64 undefined, base64Data undefined, uint8ArrayData object
#              the same for 6.0.326.
# Exits non-zero when any of that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts ai-5@npm:ai@5.0.277 ai-6@npm:ai@6.0.326 zod@4.6.7 >/dev/null

cat >program.mjs <<'PROGRAM'
import * as ai5 from 'ai-5';
import * as ai6 from 'ai-6';
import { MockLanguageModelV2 } from 'ai-5/test';
import { MockLanguageModelV3 } from 'ai-6/test';

const majors = [
  ['5.0.277', ai5, MockLanguageModelV2, { type: 'finish', finishReason: 'stop', usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 } }],
  ['6.0.326', ai6, MockLanguageModelV3, { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: { inputTokens: { total: 1 }, outputTokens: { total: 1 } } }],
];
for (const [version, ai, Model, finish] of majors) {
  for (const [kind, data] of [['text', 'aGVsbG8='], ['bytes', new Uint8Array([104, 101, 108, 108, 111])]]) {
    const chunks = [{ type: 'stream-start', warnings: [] }, { type: 'file', mediaType: 'text/plain', data }, finish];
    const model = new Model({ doStream: async () => ({ stream: ai.simulateReadableStream({ chunks }) }) });
    for await (const part of ai.streamText({ model, prompt: 'x' }).fullStream) {
      if (part.type !== 'file') continue;
      const { file } = JSON.parse(JSON.stringify(part));
      const types = ['base64', 'base64Data', 'uint8ArrayData'].map((key) => `${key} ${typeof file[key]}`);
      console.log(`${version} ${kind}: ${types.join(', ')}`);
    }
  }
}
PROGRAM

node program.mjs | tee seen.txt
diff seen.txt - <<'EXPECTED'
5.0.277 text: base64 undefined, base64Data string, uint8ArrayData undefined
5.0.277 bytes: base64 undefined, base64Data undefined, uint8ArrayData object
6.0.326 text: base64 undefined, base64Data string, uint8ArrayData undefined
6.0.326 bytes: base64 undefined, base64Data undefined, uint8ArrayData object
EXPECTED
echo 'As recorded.'

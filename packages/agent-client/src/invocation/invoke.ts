import type { Call } from './call.js';
import { checkOutput, type OutputSchema } from './output-schema.js';
import { tooLong } from './read-text.js';
import type { InvocationResponse } from './response.js';
import { ResponseReader } from './response-reader.js';

/** Sees a call through to its whole answer; the values of a stream become the list of them. */
export async function invoke(call: Call, output?: OutputSchema<unknown>): Promise<InvocationResponse> {
  const reader = new ResponseReader(call);
  const { maxResponseBytes } = call.settings;
  try {
    const values: unknown[] = [];
    while (await reader.advance()) {
      if (reader.bytesRead > maxResponseBytes) throw tooLong(maxResponseBytes);
      for (let next = reader.take(); next; next = reader.take()) values.push(next.value);
    }
    const result = reader.streamed ? values : values[0];
    const checked = output ? await checkOutput(output, result, call.facts) : result;
    return { result: checked, ...reader.summary };
  } finally {
    await reader.close();
  }
}

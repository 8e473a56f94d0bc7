/** One thing that was said in the conversation. */
export interface Turn {
  role: 'user' | 'agent';
  text: string;
}

/**
 * What the agent says to a prompt. There is no language model in it, so that it needs no account: to put one in, give it
 * the turns and the prompt here.
 *
 * @param turns - What was said before, oldest first.
 */
export function reply(prompt: string, turns: readonly Turn[]): string {
  const sum = /(-?\d+(?:\.\d+)?)\s*([-+*×/÷])\s*(-?\d+(?:\.\d+)?)/.exec(prompt);
  if (sum) return `${sum[0]} = ${calculate(Number(sum[1]), sum[2] ?? '', Number(sum[3]))}`;
  if (/what did i say/i.test(prompt)) {
    const said = turns.filter(({ role }) => role === 'user').map(({ text }) => `“${text}”`);
    return said.length === 0 ? 'Nothing yet.' : `You said ${said.join(', then ')}.`;
  }
  return `You said “${prompt}”. I can do sums, and tell you what you said.`;
}

function calculate(a: number, operator: string, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
    case '×':
      return a * b;
    default:
      return a / b;
  }
}

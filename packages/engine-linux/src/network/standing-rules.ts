/** How many rules a text for `nft -f` leaves in each chain of its table. */
function rulesIn(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, chain = ''] of text.matchAll(/^(?:add|flush) (?:chain|rule) inet \S+ (\S+)/gm))
    if (!counts.has(chain)) counts.set(chain, 0);
  for (const [, chain = ''] of text.matchAll(/^add rule inet \S+ (\S+)/gm))
    counts.set(chain, (counts.get(chain) ?? 0) + 1);
  return counts;
}

/** How many rules each chain has, as `nft -a list table` shows them. */
function rulesListed(listed: string): Map<string, number> {
  const counts = new Map<string, number>();
  let chain: string | undefined;
  for (const line of listed.split('\n')) {
    const begun = /^\tchain (\S+) \{/.exec(line)?.[1];
    if (begun !== undefined) {
      chain = begun;
      counts.set(chain, 0);
    } else if (line === '\t}') chain = undefined;
    else if (chain !== undefined && / # handle \d+$/.test(line))
      counts.set(chain, (counts.get(chain) ?? 0) + 1);
  }
  return counts;
}

/** Why a table is not as it was made; undefined when it is. What was changed within a rule is not seen. */
export function damageTo(text: string, listed: string): string | undefined {
  const there = rulesListed(listed);
  for (const [chain, count] of rulesIn(text)) {
    const found = there.get(chain);
    if (found !== count) return `the chain ${chain} has ${found ?? 'no'} rules instead of ${count}`;
  }
  for (const [, element = ''] of text.matchAll(/^add element inet \S+ \S+ \{ (.*) \}$/gm))
    if (!listed.includes(element)) return `${element} has gone`;
  return undefined;
}

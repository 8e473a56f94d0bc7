/**
 * Where addresses of sandboxes come from: ranges that no network of anybody's should use, of RFC 2544 (benchmarks)
 * and RFC 6598 (carriers). A host has one block of these, a sandbox a pair of addresses (RFC 3021) in it.
 */
const pools = [
  { first: toNumber('198.18.0.0'), blocks: 16 },
  { first: toNumber('100.64.0.0'), blocks: 512 },
];

const blockBits = 13;

/** How many sandboxes a host has addresses for; the first pair is the host's own. */
export const slotsPerBlock: number = 2 ** (blockBits - 1);

const blockCount = pools.reduce((sum, pool) => sum + pool.blocks, 0);

/** The addresses of a block, as a CIDR range. */
export function blockRange(block: number): string {
  return `${toAddress(firstOf(block))}/${32 - blockBits}`;
}

/** Where the host itself answers sandboxes. */
export function serviceAddress(block: number): string {
  return toAddress(firstOf(block) + 1);
}

/** The blocks whose hosts answer at these addresses. */
export function blocksServedAt(addresses: string[]): number[] {
  return allBlocks().filter((block) => addresses.includes(serviceAddress(block)));
}

/** The two ends of a sandbox's link: the host's and its own. */
export function linkAddresses(block: number, slot: number): { outer: string; inner: string } {
  const outer = firstOf(block) + 2 * slot;
  return { outer: toAddress(outer), inner: toAddress(outer + 1) };
}

/** Blocks that meet none of these addresses and ranges. */
export function blocksApartFrom(ranges: string[]): number[] {
  const taken = ranges.map(toInterval);
  return allBlocks().filter((block) => {
    const [first, last] = toInterval(blockRange(block));
    return taken.every(([from, to]) => to < first || from > last);
  });
}

/** Whether all of a range (or an address) lies in another. */
export function isWithin(range: string, outer: string): boolean {
  const [first, last] = toInterval(range);
  const [from, to] = toInterval(outer);
  return from <= first && last <= to;
}

function allBlocks(): number[] {
  return Array.from({ length: blockCount }, (_, block) => block);
}

function firstOf(block: number): number {
  let rest = block;
  for (const { first, blocks } of pools) {
    if (rest < blocks) return first + rest * 2 ** blockBits;
    rest -= blocks;
  }
  throw new RangeError(`There is no block ${block}.`);
}

function toInterval(range: string): [first: number, last: number] {
  const [address = '', bits = '32'] = range.split('/');
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(toNumber(address) / size) * size;
  return [first, first + size - 1];
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join('.');
}

import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { MachineChange, NetworkPolicy } from '@sandpiper/sandbox-engine/engine';
import { requireTool } from '@sandpiper/sandbox-engine/local/shell';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { writeFileAtomically } from '@sandpiper/sandbox-engine/write-file-atomically';
import * as z from 'zod';
import { linkAddresses, serviceAddress, slotsPerBlock } from './address-plan.js';
import { claimBlock, giveUpBlock, releaseOrphans } from './claim.js';
import { EgressProxy } from './egress-proxy.js';
import { type EgressRules, opensAnything, readPolicy } from './egress-rules.js';
import {
  checkForwarding,
  enableForwarding,
  guardText,
  isForwarding,
  restoreForwarding,
} from './forwarding.js';
import { writeResolvConf } from './name-servers.js';
import {
  findNamespaces,
  linkIsThere,
  makeLinks,
  makeNamespaces,
  namespacePath,
  removeNamespaces,
} from './namespaces.js';
import {
  linkName,
  readSlots,
  sandboxText,
  tableName,
  tableText,
  withoutSandboxText,
} from './packet-filter.js';
import { addServiceAddress } from './service-addresses.js';
import { inRounds, nft, runOn } from './tools.js';
import { Walls } from './walls.js';

/** The network of one sandbox: a loopback of its own, and a link that leads where its policy says. */
export interface SandboxNetwork {
  /** What the sandbox's first process joins (setns(2)). */
  readonly netns: string;
  /** Its resolv.conf(5). */
  readonly resolvConf: string;
  /** Settles when the policy is in force; until then nothing gets out. */
  readonly ready: Promise<void>;
  /** What programs have to know to get out at all, by the present policy. */
  readonly environment: Record<string, string>;
  /** Where the host reaches its ports; connections to those on which nothing listens are refused. */
  readonly address: string;
  /** @throws HostError 503 while it cannot be walled in: then it stands still. */
  check(): void;
  /** Writes down which it is, for a host that comes after this one: the packet filter may have been flushed by then. */
  keep(file: string): Promise<void>;
  /** Has the sandbox stand still while it cannot be walled in; until this is said there is nothing to be stopped. */
  heldBy(sandbox: Held): void;
  /** Replaces the policy; connections it does not allow are cut. @throws HostError 400. */
  setPolicy(policy: NetworkPolicy): Promise<void>;
  /** Takes the network away. The processes in it have ended. */
  close(): Promise<void>;
}

/** What can be made to stand still, and to go on. */
export interface Held {
  hold(): Promise<void>;
  release(): Promise<void>;
}

/** What is to be known about a sandbox to give it a network. */
export interface NetworkOptions {
  policy: NetworkPolicy;
  /** Told, as `host:port`, what a program asked the proxy for in vain. */
  onRefused?: ((target: string) => void) | undefined;
  /** Told what happened to its walls. */
  onNotice?: ((message: string) => void) | undefined;
}

/** What {@link SandboxNetworks} are opened with. */
export interface SandboxNetworksOptions {
  /** Slots that sandboxes of the host before have noted, in case nobody else knows. */
  kept?: ReadonlyMap<string, number>;
  onChange?: (change: MachineChange) => void;
  logger: Logger;
}

/** Ready-made networks: as many creations in a row as do not wait for one. */
const sparesKept = 2;
/** How long the caller that got one has to start its sandbox before the machine is busy with the next. */
const restMs = 500;
/** Made in one go. */
const mostAtOnce = 16;

const stateSchema = z.object({ block: z.int(), proxyPort: z.int(), guarded: z.boolean().optional() });

/** Gives sandboxes networks. Needs root, Linux, `ip` and `nft`. */
export class SandboxNetworks {
  readonly #free: number[] = [];
  readonly #spares: Promise<number>[] = [];
  /** Networks of sandboxes that ran under a host before this one. */
  readonly #left: Map<string, number>;
  readonly #make: (slot: number) => Promise<void>;
  readonly #unmake: (slot: number) => Promise<void>;
  readonly #walls: Walls;
  #forwarding: Promise<void> | undefined;
  /** Whether forwarding was turned on for sandboxes alone. */
  #guarded: boolean;
  #rest: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    private readonly block: number,
    private readonly proxy: EgressProxy,
    private readonly nameservers: string[],
    private readonly options: Required<SandboxNetworksOptions> & {
      directory: string;
      resolvConf: string;
      guarded: boolean;
    },
    left: Map<string, number>,
  ) {
    this.#left = left;
    this.#guarded = options.guarded;
    const taken = new Set(left.values());
    for (let slot = 1; slot < slotsPerBlock; slot++) if (!taken.has(slot)) this.#free.push(slot);
    this.#make = inRounds<number>((slots) => makeNamespaces(block, slots), mostAtOnce);
    this.#unmake = inRounds<number>((slots) => removeNamespaces(block, slots), mostAtOnce);
    this.#walls = new Walls({
      block,
      proxyPort: proxy.port,
      more: async () => (this.#guarded ? guardText() : ''),
      onChange: options.onChange,
      logger: options.logger,
    });
  }

  /**
   * Claims addresses and builds the walls around them; proves by a first network that it can be done.
   *
   * @param directory - The host's own: the host that has it next takes over what this one leaves.
   * @throws Error with what is missing.
   */
  static async open(
    directory: string,
    { kept = new Map(), onChange = () => {}, logger }: SandboxNetworksOptions,
  ): Promise<SandboxNetworks> {
    await requireTool('iproute2', 'ip', '-V');
    await requireTool('nftables', 'nft', '-V');
    await checkForwarding();
    const file = stateFile(directory);
    const before = await readFile(file, 'utf8').then(
      (text) => stateSchema.safeParse(JSON.parse(text)).data,
      () => undefined,
    );
    await releaseOrphans(before?.block);
    const block = await claimBlock(before?.block);
    let proxy: EgressProxy | undefined;
    try {
      proxy = await EgressProxy.listen(serviceAddress(block), before?.proxyPort ?? 0, logger);
      const guarded = before?.block === block && before.guarded === true;
      await writeFileAtomically(file, JSON.stringify({ block, proxyPort: proxy.port, guarded }));
      await nft(tableText(block, proxy.port) + (guarded ? await guardText() : ''));
      const listed = await runOn('', 'nft', 'list', 'map', 'inet', tableName(block), 'sandboxes');
      const noted = before?.block === block ? kept : [];
      const left = new Map([...noted, ...readSlots(listed)]);
      const unused = (await findNamespaces(block)).filter((slot) => ![...left.values()].includes(slot));
      await removeNamespaces(block, unused);
      const resolvConf = join(directory, 'resolv.conf');
      const nameservers = await writeResolvConf(resolvConf);
      const given = { directory, kept, onChange, logger, resolvConf, guarded };
      const networks = new SandboxNetworks(block, proxy, nameservers, given, left);
      networks.#keepSpares();
      await networks.#spares[0];
      return networks;
    } catch (error) {
      await proxy?.close();
      await giveUpBlock(block).catch(() => {});
      throw error;
    }
  }

  /** Gives a new sandbox a network. @throws HostError 400 when the policy cannot be enforced. */
  async open(id: string, options: NetworkOptions): Promise<SandboxNetwork> {
    const rules = readPolicy(options.policy);
    this.#walls.check();
    const spare = this.#spares.shift() ?? this.#makeOne();
    this.#rest ??= setTimeout(() => this.#keepSpares(), restMs).unref();
    return this.#hand(id, await spare, rules, options);
  }

  /** Takes over the network of a sandbox that runs on; undefined where it has none. */
  async attach(id: string, options: NetworkOptions): Promise<SandboxNetwork | undefined> {
    const rules = readPolicy(options.policy);
    const slot = this.#left.get(id);
    if (slot === undefined) return undefined;
    this.#left.delete(id);
    return this.#hand(id, slot, rules, options);
  }

  /** Removes the networks of sandboxes that a host before this one had and that are not among these. */
  async keepOnly(ids: readonly string[]): Promise<void> {
    for (const [id, slot] of [...this.#left]) {
      if (ids.includes(id)) continue;
      this.#left.delete(id);
      await this.#remove(id, slot);
    }
  }

  /** Removes every network and all that belongs to them, but for those in which processes still live. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#rest);
    this.#walls.close();
    await Promise.allSettled(this.#spares);
    await this.proxy.close();
    await giveUpBlock(this.block);
    await releaseOrphans();
    await restoreForwarding();
  }

  #hand(
    id: string,
    slot: number,
    first: EgressRules,
    { onRefused = () => {}, onNotice = () => {} }: NetworkOptions,
  ): SandboxNetwork {
    const { block, proxy } = this;
    const walls = this.#walls;
    let held: Held | undefined;
    const { inner } = linkAddresses(block, slot);
    let rules = first;
    const enforce = async (): Promise<void> => {
      proxy.serve(inner, { rules, onRefused });
      await walls.lay(slot, {
        text: sandboxText({ block, slot, id }, rules, this.nameservers),
        hold: async () => held?.hold(),
        release: async () => held?.release(),
        onNotice,
      });
      if (opensAnything(rules)) {
        this.#forwarding ??= this.#forward();
        await this.#forwarding;
      }
    };
    const ready = enforce();
    // Reported to the caller that needs it, if there is one.
    ready.catch(() => {});
    let closed: Promise<void> | undefined;
    return {
      netns: namespacePath(block, slot),
      resolvConf: this.options.resolvConf,
      address: inner,
      ready,
      get environment() {
        return rules.names.length > 0 ? proxyEnvironment(`http://${proxy.address}:${proxy.port}`) : {};
      },
      check: () => walls.check(),
      keep: (file) => writeFileAtomically(file, JSON.stringify({ slot })),
      heldBy(sandbox) {
        held = sandbox;
        // What cannot be stopped is tried again with the walls.
        if (walls.obstacle !== undefined) sandbox.hold().catch(() => {});
      },
      async setPolicy(policy) {
        rules = readPolicy(policy);
        await enforce();
      },
      close: () => {
        closed ??= (async () => {
          await ready.catch(() => {});
          proxy.forget(inner);
          await this.#remove(id, slot);
        })();
        return closed;
      },
    };
  }

  /** Why sandboxes cannot be walled in at present; undefined where they are. */
  get obstacle(): string | undefined {
    return this.#walls.obstacle;
  }

  /** Looks at what nothing tells of, and puts it back: the address of the proxy, forwarding, links. */
  async look(): Promise<void> {
    const { block } = this;
    const own = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
    if (!own.includes(serviceAddress(block))) await addServiceAddress(block);
    if (this.#forwarding && !(await isForwarding())) await this.#forward();
    const links = new Set(await readdir('/sys/class/net'));
    const gone = this.#walls.slots().filter((slot) => !links.has(linkName(block, slot)));
    if (gone.length === 0) return;
    await makeLinks(block, gone);
    for (const slot of gone)
      this.#walls.notice(slot, 'Its link to the machine had gone; there is a new one.');
  }

  async #forward(): Promise<void> {
    this.#guarded = (await enableForwarding()) || this.#guarded;
    const { block, proxy } = this;
    const state = { block, proxyPort: proxy.port, guarded: this.#guarded };
    await writeFileAtomically(stateFile(this.options.directory), JSON.stringify(state));
  }

  async #remove(id: string, slot: number): Promise<void> {
    await this.#walls.clear(slot, withoutSandboxText({ block: this.block, slot, id }));
    await this.#unmake(slot);
    this.#free.push(slot);
  }

  #keepSpares(): void {
    this.#rest = undefined;
    while (!this.#closed && this.#spares.length < sparesKept) {
      const spare = this.#makeOne();
      spare.catch(() => {
        // Tried again when one is needed.
        const index = this.#spares.indexOf(spare);
        if (index >= 0) this.#spares.splice(index, 1);
      });
      this.#spares.push(spare);
    }
  }

  async #makeOne(): Promise<number> {
    // The longest unused first: the kernel takes links down a moment after their namespaces.
    const index = this.#free.findIndex((slot) => !linkIsThere(this.block, slot));
    const [slot] = index < 0 ? [] : this.#free.splice(index, 1);
    if (slot === undefined) throw new Error(`There are ${slotsPerBlock - 1} sandboxes: no address is left.`);
    try {
      await this.#make(slot);
    } catch (error) {
      this.#free.push(slot);
      throw error;
    }
    return slot;
  }
}

function stateFile(directory: string): string {
  return join(directory, 'network.json');
}

/** What {@link SandboxNetwork.keep} wrote; undefined where there is nothing of the kind. */
export async function keptSlot(file: string): Promise<number | undefined> {
  return readFile(file, 'utf8').then(
    (text) => z.object({ slot: z.int() }).safeParse(JSON.parse(text)).data?.slot,
    () => undefined,
  );
}

/** Names that programs know a proxy by; curl and its like want them in small letters. */
function proxyEnvironment(url: string): Record<string, string> {
  const direct = 'localhost,127.0.0.1';
  return {
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    NO_PROXY: direct,
    http_proxy: url,
    https_proxy: url,
    no_proxy: direct,
    // Node.js 22.21 and 24 and later: `fetch` looks at the above only when told so.
    NODE_USE_ENV_PROXY: '1',
  };
}

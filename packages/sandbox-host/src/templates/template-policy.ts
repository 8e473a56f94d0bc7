import { diskMBSchema } from '@sandpiper/sandbox-engine/disk-limit';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import * as z from 'zod';
import type { SandboxSettings } from '../sandboxes/sandbox-settings.js';
import { type Requirements, requirementsSchema } from './requirements.js';
import type { Resources, Template } from './template.js';

/** What a sandbox may reach. */
type Egress = Pick<SandboxSettings, 'network' | 'allowInternetAccess'>;

/** How large the disks of a template's sandboxes are, in megabytes. */
export function diskOf({ metadata }: Pick<Template, 'metadata'>, build: Resources): number {
  return policyOf(metadata).limits?.diskMB ?? build.diskMB;
}

/** What a template's metadata says to this host; the rest is the deployer's own. */
interface TemplatePolicy {
  network?:
    | {
        allowInternetAccess?: boolean | undefined;
        allowOut?: string[] | undefined;
        denyOut?: string[] | undefined;
      }
    | undefined;
  /** Counts in place of what the build was asked for with: E2B's builder has no word for it. */
  limits?: { diskMB?: number | undefined } | undefined;
  requires?: Requirements | undefined;
}

const policySchema: z.ZodType<TemplatePolicy> = z.looseObject({
  network: z
    .strictObject({
      allowInternetAccess: z.boolean().optional(),
      allowOut: z.array(z.string()).optional(),
      denyOut: z.array(z.string()).optional(),
    })
    .optional(),
  limits: z.strictObject({ diskMB: diskMBSchema.optional() }).optional(),
  requires: requirementsSchema.optional(),
});

/** @throws HostError 400 for metadata whose `network`, `limits` or `requires` is not understood. */
export function policyOf(metadata: Record<string, unknown>): TemplatePolicy {
  const parsed = policySchema.safeParse(metadata);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${['metadata', ...path].join('.')}: ${message}`,
  );
  throw new HostError(400, issues.join('; '));
}

/**
 * What a sandbox of a template may reach when it asks for something: the stricter of the two. Where both take the
 * network away, only what both except is left open; where one does, what that one excepts.
 */
export function restrictEgress({ metadata }: Pick<Template, 'metadata'>, asked: Egress): Egress {
  const { network: own } = policyOf(metadata);
  if (!own) return asked;
  const { allowOut = [], denyOut = [] } = asked.network;
  const ownAllowed = own.allowOut ?? [];
  const exceptions = !isStrict(own)
    ? allowOut
    : isStrict({ ...asked.network, allowInternetAccess: asked.allowInternetAccess })
      ? allowOut.filter((target) => ownAllowed.includes(target))
      : ownAllowed;
  const closed = own.allowInternetAccess === false || asked.allowInternetAccess === false;
  return {
    network: {
      ...asked.network,
      allowOut: exceptions,
      denyOut: [...new Set([...(own.denyOut ?? []), ...denyOut])],
    },
    allowInternetAccess: closed ? false : asked.allowInternetAccess,
  };
}

/** Allowing alone takes nothing away. */
function isStrict(rules: {
  allowInternetAccess?: boolean | undefined;
  denyOut?: string[] | undefined;
}): boolean {
  return rules.allowInternetAccess === false || (rules.denyOut?.length ?? 0) > 0;
}

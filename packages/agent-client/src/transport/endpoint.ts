import { headers } from '@sandpiper/protocol';

/** Where the agent of a sandbox is reached, and with which headers. */
export interface Endpoint {
  /** Scheme, host and port. */
  origin: string;
  /** What goes before every path; mostly nothing. */
  basePath: string;
  headers: Record<string, string>;
}

/** What is to be known of a sandbox to reach it. */
export interface SandboxAddress {
  sandboxId: string;
  /** The agent's port in it. */
  port: number;
  /** The domain under which the platform serves the sandbox's ports. */
  domain: string;
  /** A gateway that serves every sandbox, which then is named by headers: a self-hosted platform's. */
  sandboxUrl?: string | undefined;
  /** The caller's own name for the conversation, where it has one. */
  runtimeSessionId?: string | undefined;
  /** Opens a sandbox whose ports are not public. */
  trafficAccessToken?: string | undefined;
}

/** E2B's two ways to a sandbox's port: by host name, or by headers at one gateway. The API key is in neither. */
export function agentEndpoint(address: SandboxAddress): Endpoint {
  const { sandboxId, port, domain, sandboxUrl, trafficAccessToken, runtimeSessionId } = address;
  const url = new URL(sandboxUrl ?? `https://${port}-${sandboxId}.${domain}`);
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/$/, ''),
    headers: {
      [headers.sandboxId]: sandboxId,
      [headers.agentCoreSessionId]: amznSessionId(runtimeSessionId ?? sandboxId),
      ...(sandboxUrl !== undefined && {
        [headers.e2bSandboxId]: sandboxId,
        [headers.e2bSandboxPort]: String(port),
      }),
      ...(trafficAccessToken !== undefined && { [headers.e2bTrafficAccessToken]: trafficAccessToken }),
    },
  };
}

/**
 * A session's id as AgentCore agents read it, which refuse a call without one: 33 characters at the least
 * (https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html), and such as a header
 * can carry.
 */
function amznSessionId(id: string): string {
  const carried = /^[\x21-\x7e]+$/.test(id) ? id : encodeURIComponent(id);
  return carried.padEnd(33, '-');
}

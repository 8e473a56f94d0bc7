import { AgentRuntimeError } from '@sandpiper/protocol';
import { describe, expect, test, vi } from 'vitest';
import * as ours from '../index.js';

const options = { outcome: 'unknown' as const };
/** One of each class, by whichever copy of the package. */
const make = (from: typeof ours): Record<string, [AgentRuntimeError, string]> => ({
  AgentClientError: [new from.AgentClientError('m'), 'agent_client_error'],
  AuthenticationError: [new from.AuthenticationError('m'), 'authentication_error'],
  InvocationError: [new from.InvocationError('m', options), 'invocation_failed'],
  NetworkError: [new from.NetworkError('m'), 'network_error'],
  QuotaExceededError: [new from.QuotaExceededError('m'), 'quota_exceeded'],
  RateLimitError: [new from.RateLimitError('m'), 'rate_limited'],
  SandboxCreationError: [new from.SandboxCreationError('m'), 'sandbox_creation_failed'],
  SandboxOperationError: [new from.SandboxOperationError('m'), 'sandbox_operation_failed'],
  SessionNotFoundError: [new from.SessionNotFoundError('m'), 'session_not_found'],
  StreamInterruptedError: [new from.StreamInterruptedError('m', options), 'stream_interrupted'],
  TemplateNotFoundError: [new from.TemplateNotFoundError('m'), 'template_not_found'],
  TimeoutError: [new from.TimeoutError('call_timeout', 'm'), 'call_timeout'],
});

describe('an error', () => {
  test('of every class that is exported is made below', () => {
    const exported = Object.keys(ours).filter((name) => name.endsWith('Error'));
    const elsewhere = ['AgentRuntimeError', 'ValidationError'];
    expect(exported.filter((name) => !elsewhere.includes(name))).toEqual(Object.keys(make(ours)));
  });

  test('has its class’s name and code, and is known as what it is by another copy of the package', async () => {
    vi.resetModules();
    const copy = await import('../index.js');
    expect(copy.NetworkError).not.toBe(ours.NetworkError);
    for (const [name, [error, code]] of Object.entries(make(copy))) {
      expect(error).toMatchObject({ name, code });
      expect(AgentRuntimeError.isInstance(error)).toBe(true);
      expect(ours.AgentClientError.isInstance(error)).toBe(true);
      const known = Object.entries(ours).flatMap(([exported, value]) =>
        typeof value === 'function' && 'isInstance' in value && value.isInstance(error) ? [exported] : [],
      );
      const above = name === 'StreamInterruptedError' ? ['InvocationError'] : [];
      expect(new Set(known)).toEqual(new Set(['AgentRuntimeError', 'AgentClientError', ...above, name]));
    }
  });
});

import { describe, expect, test, vi } from 'vitest';
import { AgentRuntimeError } from './agent-runtime-error.js';
import { ValidationError } from './validation-error.js';

describe('errors', () => {
  test('are known by their class and by the classes above it', () => {
    const error = new ValidationError('no', { status: 400 });
    expect(ValidationError.isInstance(error)).toBe(true);
    expect(AgentRuntimeError.isInstance(error)).toBe(true);
    expect(ValidationError.isInstance(new AgentRuntimeError('no'))).toBe(false);
    expect(AgentRuntimeError.isInstance(new Error('no'))).toBe(false);
    expect(AgentRuntimeError.isInstance(undefined)).toBe(false);
  });

  test('are known across two copies of the package', async () => {
    vi.resetModules();
    const copy = await import('./validation-error.js');
    const error = new copy.ValidationError('no');
    expect(error).not.toBeInstanceOf(ValidationError);
    expect(ValidationError.isInstance(error)).toBe(true);
  });

  test('keep what they were given, and nothing they were not', () => {
    const cause = new Error('below');
    const error = new ValidationError('no', { requestId: 'r1', cause });
    expect(error).toMatchObject({
      name: 'ValidationError',
      code: 'validation_error',
      requestId: 'r1',
      cause,
    });
    expect(error.retryable).toBe(false);
    expect('status' in error).toBe(false);
  });
});

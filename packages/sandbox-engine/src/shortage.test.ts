import { expect, test } from 'vitest';
import { HostError } from './host-error.js';
import { shortageOf } from './shortage.js';

const system = (code: string, syscall: string): Error => Object.assign(new Error(code), { code, syscall });

test.each([
  [503, system('EMFILE', 'open')],
  [503, system('ENFILE', 'spawn perl')],
  [503, system('EAGAIN', 'spawn perl')],
  [503, system('ENOMEM', 'spawn')],
  [503, new Error('fork: Resource temporarily unavailable')],
  [503, new Error('pipe: Too many open files')],
  [507, system('ENOSPC', 'write')],
  [507, new Error('cp: error writing: No space left on device')],
  [507, new Error('The build failed', { cause: system('EDQUOT', 'write') })],
  [undefined, system('EAGAIN', 'read')],
  [undefined, system('ENOENT', 'spawn perl')],
  [undefined, new HostError(507, 'said already', { cause: system('ENOSPC', 'write') })],
  [undefined, 'EMFILE'],
])('%s for %s', (status, error) => {
  expect(shortageOf(error)?.status).toBe(status);
});

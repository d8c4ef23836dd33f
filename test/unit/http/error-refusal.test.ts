import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../../gateway/http/error-refusal.ts';
import { GearwayError } from '../../../shared/errors.ts';

const system = (code: string): Error => Object.assign(new Error(`syscall ${code}: text of the system`), { code });

describe('refusalOf', () => {
  it.each([
    ['address-invalid', 400],
    ['a-code-of-tomorrow', 400],
    ['port-taken', 409],
    ['too-large', 413],
    ['channels-unsupported', 501],
    ['picture-invalid', 503],
    ['busy', 503],
    ['cluster-unreachable', 503],
  ])('of the code %s has the status %i', (code, status) => {
    expect(refusalOf(new GearwayError(code, 'a sentence'))).toEqual({ status, code, message: 'a sentence' });
  });

  it.each(['EINVAL', 'ENOTFOUND', 'EAI_AGAIN', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENODEV'])(
    'of the system error %s is a sentence about the address, not an internal error',
    (code) => {
      const refusal = refusalOf(system(code));
      expect(refusal).toMatchObject({ status: 400, code: 'address-invalid' });
      expect(refusal?.message).not.toContain('text of the system');
    },
  );

  it.each([system('EIO'), system('EMFILE'), new TypeError('x is not a function'), 'thrown text', null])(
    'does not exist for an internal error: %s',
    (error) => {
      expect(refusalOf(error)).toBeNull();
    },
  );
});

import { describe, expect, it, vi } from 'vitest';
import { VerifiedReturns } from '../../../../gateway/clients/native/verified-returns.ts';
import type { JpegVerdict } from '../../../../gateway/codecs/jpeg-verifier.ts';
import type { ReturnData } from '../../../../gateway/hub/returns/returns.ts';
import { GearwayError } from '../../../../shared/errors.ts';

const GOOD: JpegVerdict = { isGood: true };
const bad = (code = 'jpeg-invalid'): JpegVerdict => ({ isGood: false, error: new GearwayError(code, 'no') });

/** Fresh bytes each time, as from a socket. */
const jpeg = (n: number, colorspace = 'BGR'): ReturnData => ({
  kind: 'jpeg',
  data: Uint8Array.of(0xff, n),
  colorspace,
});
const VALUE: ReturnData = { kind: 'value', value: 1, json: '1' };

function setUp(): {
  returns: VerifiedReturns;
  settle: (verdict: JpegVerdict | null) => Promise<void>;
  asked: number[];
  cancelled: number[];
  accepted: ReturnData[];
  rejected: string[];
} {
  const waiting: ((verdict: JpegVerdict | null) => void)[] = [];
  const [asked, cancelled, accepted, rejected]: [number[], number[], ReturnData[], string[]] = [[], [], [], []];
  const returns = new VerifiedReturns({
    verify: (bytes) => {
      asked.push(bytes[1]!);
      return {
        verdict: new Promise((resolve) => waiting.push(resolve)),
        isStarted: true,
        cancel: () => cancelled.push(bytes[1]!),
      };
    },
    accept: (data) => accepted.push(data),
    reject: (error) => rejected.push((error as GearwayError).code),
  });
  const settle = async (verdict: JpegVerdict | null): Promise<void> => {
    waiting.shift()!(verdict);
    await vi.waitFor(() => Promise.resolve());
  };
  return { returns, settle, asked, cancelled, accepted, rejected };
}

describe('VerifiedReturns', () => {
  it('accepts anything but JPEGs immediately', () => {
    const { returns, asked, accepted } = setUp();
    returns.give(VALUE);
    expect([accepted, asked]).toEqual([[VALUE], []]);
  });

  it('accepts a JPEG once it is verified, and each repetition of it without verifying it again', async () => {
    const { returns, settle, asked, accepted } = setUp();
    returns.give(jpeg(1));
    returns.give(jpeg(1));
    expect(accepted).toEqual([]);
    await settle(GOOD);
    returns.give(jpeg(1));
    expect([accepted, asked]).toEqual([[jpeg(1), jpeg(1)], [1]]);
    returns.give(jpeg(1, 'RGB'));
    expect(asked).toEqual([1, 1]);
  });

  it('rejects a damaged JPEG each time, without verifying it again', async () => {
    const { returns, settle, asked, accepted, rejected } = setUp();
    returns.give(jpeg(1));
    await settle(bad());
    returns.give(jpeg(1));
    expect([accepted, rejected, asked]).toEqual([[], ['jpeg-invalid', 'jpeg-invalid'], [1]]);
  });

  it.each(['decoder-failed', 'too-many'])('verifies a JPEG again after %s', async (code) => {
    const { returns, settle, asked, rejected } = setUp();
    returns.give(jpeg(1));
    await settle(bad(code));
    returns.give(jpeg(1));
    expect([rejected, asked]).toEqual([[code], [1, 1]]);
  });

  it('keeps only the newest of the waiting JPEGs', async () => {
    const { returns, settle, asked, accepted } = setUp();
    for (const n of [1, 2, 3]) returns.give(jpeg(n));
    await settle(GOOD);
    expect([accepted, asked]).toEqual([[jpeg(1)], [1, 3]]);
    await settle(GOOD);
    expect(accepted).toEqual([jpeg(1), jpeg(3)]);
  });

  it('verifies nothing else if the client returns to the JPEG that is being verified', async () => {
    const { returns, settle, asked } = setUp();
    for (const n of [1, 2, 1]) returns.give(jpeg(n));
    await settle(GOOD);
    expect(asked).toEqual([1]);
  });

  it('drops a JPEG that is followed by another value, or by a verified JPEG', async () => {
    const { returns, settle, cancelled, accepted } = setUp();
    returns.give(jpeg(1));
    await settle(GOOD);
    returns.give(jpeg(2));
    returns.give(jpeg(3));
    returns.give(VALUE);
    await settle(GOOD);
    returns.give(jpeg(4));
    returns.give(jpeg(1));
    await settle(GOOD);
    expect([accepted, cancelled]).toEqual([
      [jpeg(1), VALUE, jpeg(1)],
      [2, 4],
    ]);
  });

  it('discards all data of a client that has left', async () => {
    const { returns, settle, asked, accepted, rejected } = setUp();
    returns.give(jpeg(1));
    await settle(GOOD);
    returns.give(jpeg(2));
    returns.forget();
    await settle(bad());
    expect([accepted, rejected]).toEqual([[jpeg(1)], []]);
    returns.give(jpeg(1));
    expect(asked).toEqual([1, 2, 1]);
  });

  it('neither accepts nor rejects a JPEG without a verdict', async () => {
    const { returns, settle, accepted, rejected } = setUp();
    returns.give(jpeg(1));
    await settle(null);
    expect([accepted, rejected]).toEqual([[], []]);
  });
});

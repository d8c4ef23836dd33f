import { describe, expect, it, vi } from 'vitest';
import { VerifiedFrames } from '../../../../gateway/clients/native/verified-frames.ts';
import { JpegVerifier, type JpegVerdict, type JpegVerification } from '../../../../gateway/codecs/jpeg-verifier.ts';
import type { Frame } from '../../../../gateway/hub/frame.ts';
import { GearwayError } from '../../../../shared/errors.ts';

function frameOf(sequence: number, change: Partial<Frame> = {}): Frame {
  return {
    sequence,
    receivedAtUs: 0,
    width: 8,
    height: 8,
    encoding: { kind: 'jpeg' },
    payload: new Uint8Array(4),
    message: null,
    wireHeader: null,
    ...change,
  };
}

/** A verifier whose verdicts are set by the test. */
class FakeVerifier {
  readonly asked: { started: boolean; settle: (verdict: JpegVerdict | null) => void }[] = [];

  verify(): JpegVerification {
    const job = { started: false, settle: (_verdict: JpegVerdict | null): void => undefined };
    const verdict = new Promise<JpegVerdict | null>((resolve) => (job.settle = resolve));
    this.asked.push(job);
    return {
      verdict,
      get isStarted() {
        return job.started;
      },
      cancel: () => {
        if (!job.started) job.settle(null);
      },
    };
  }
}

function setUp(): { verifier: FakeVerifier; frames: VerifiedFrames; reject: ReturnType<typeof vi.fn> } {
  const verifier = new FakeVerifier();
  const reject = vi.fn();
  return { verifier, frames: new VerifiedFrames(verifier as unknown as JpegVerifier, { reject }), reject };
}

const BAD: JpegVerdict = { isGood: false, error: new GearwayError('jpeg-invalid', 'damaged') };

describe('VerifiedFrames', () => {
  it('decodes neither raw frames nor JPEGs of trusted encoders', () => {
    const { verifier, frames } = setUp();
    expect(frames.check(frameOf(1, { encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 2] } }))).toBe(true);
    const trusted = frameOf(2, { isTrusted: true });
    expect(frames.check(trusted)).toBe(true);
    expect([verifier.asked.length, frames.lastGood]).toEqual([0, trusted]);
  });

  it('decodes a frame once for all clients, and notifies its source', async () => {
    const { verifier, frames } = setUp();
    const onVerified = vi.fn<(isGood: boolean) => void>();
    const frame = frameOf(1, { onVerified });
    const requests = [frames.check(frame), frames.check(frame)].map(async (check) => check);
    verifier.asked[0]!.settle({ isGood: true });
    expect(await Promise.all(requests)).toEqual([true, true]);
    expect(frames.check(frame)).toBe(true);
    expect(verifier.asked).toHaveLength(1);
    expect(onVerified.mock.calls).toEqual([[true]]);
  });

  it('rejects an invalid frame once, and keeps the last valid one until it is discarded', async () => {
    const { verifier, frames, reject } = setUp();
    const first = frameOf(1);
    const bad = frameOf(2);
    const checks = [frames.check(first)];
    verifier.asked[0]!.settle({ isGood: true });
    await checks[0];
    const second = frames.check(bad);
    verifier.asked[1]!.settle(BAD);
    expect(await second).toBe(false);
    expect(frames.check(bad)).toBe(false);
    expect(reject.mock.calls).toEqual([[expect.objectContaining({ code: 'jpeg-invalid' })]]);
    expect(frames.lastGood).toBe(first);
    frames.forget();
    expect(frames.lastGood).toBeNull();
  });

  it('replaces a frame that waits for a decoder with a newer one, but not a frame that is being decoded', async () => {
    const { verifier, frames } = setUp();
    const decoding = frameOf(1);
    const first = frames.check(decoding);
    verifier.asked[0]!.started = true;
    const waiting = frameOf(2);
    const second = frames.check(waiting);
    expect([frames.isStarted(decoding), frames.isStarted(waiting)]).toEqual([true, false]);
    const third = frames.check(frameOf(3));
    expect(await second).toBeNull();
    verifier.asked[0]!.settle({ isGood: true });
    verifier.asked[2]!.settle({ isGood: true });
    expect([await first, await third]).toEqual([true, true]);
    expect(frames.lastGood?.sequence).toBe(3);
  });
});

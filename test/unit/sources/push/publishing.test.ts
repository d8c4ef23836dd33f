import { describe, expect, it } from 'vitest';
import type { Frame, FrameInput } from '../../../../gateway/hub/frame.ts';
import { Returns } from '../../../../gateway/hub/returns/returns.ts';
import { type ConnectedPublisher, Publishing, type PublisherEnd } from '../../../../gateway/sources/push/publishing.ts';
import type { SourceSink } from '../../../../gateway/sources/source.ts';
import { JPEG } from '../../../helpers/viewer.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const ASKED = { takeOver: true };
const NOT_ASKED = { takeOver: false };

interface Setup {
  readonly publishing: Publishing;
  readonly clock: { nowMs: number };
  /** The messages of the published frames, and the reasons for missing frames. */
  readonly published: unknown[];
  readonly rejected: unknown[];
}

function setUp({ newestWins = false } = {}): Setup {
  const clock = { nowMs: 1000 };
  const publishing = new Publishing({ newestWins, nowMs: () => clock.nowMs });
  const published: unknown[] = [];
  const rejected: unknown[] = [];
  const sink: SourceSink = {
    publish: (input: FrameInput): Frame => ({ ...input, sequence: published.push(input.message), receivedAtUs: 0 }),
    needsPictures: true,
    announce: () => undefined,
    reject: (error) => void rejected.push(error),
    end: () => undefined,
    interrupted: (reason) => void published.push(reason),
    fail: () => undefined,
    reopen: () => undefined,
    returns: new Returns({ hasServer: false }),
  };
  publishing.open(sink);
  return { publishing, clock, published, rejected };
}

const single = (identity: string): { label: string; identity: string } => ({ label: identity, identity });

function connected(label: string): ConnectedPublisher & { readonly ends: PublisherEnd[] } {
  const ends: PublisherEnd[] = [];
  return { label, ends, end: (end) => void ends.push(end) };
}

describe('Publishing: connections', () => {
  it('admits a publisher without a time limit, and notifies viewers when it has left', () => {
    const { publishing, clock, published } = setUp();
    expect(publishing.state()).toBe('waiting for a publisher');
    const publisher = publishing.enter(connected('phone'), NOT_ASKED);
    clock.nowMs += 3_600_000;
    expect(publishing.state()).toBe('phone');
    expect(publisher.publish(JPEG, { message: 1 })).toMatchObject({
      sequence: 1,
      width: 8,
      height: 8,
      capturedAtUs: null,
    });
    publisher.leave('phone has left');
    publisher.leave('phone has left');
    expect(published).toEqual([1, 'phone has left; waiting for a publisher']);
    expect(publishing.state()).toBe('waiting for a publisher');
  });

  it('refuses the next publisher', () => {
    const { publishing } = setUp();
    const publisher = publishing.enter(connected('phone'), NOT_ASKED);
    expect(() => publishing.enter(connected('tablet'), NOT_ASKED)).toThrow(coded('publisher-present'));
    expect(() => publishing.enter(connected('tablet'), NOT_ASKED)).toThrow(/phone/);
    for (const call of [
      () => publishing.check(single('curl'), NOT_ASKED),
      () => publishing.publish(single('curl'), JPEG, {}, NOT_ASKED),
    ])
      expect(call).toThrow(coded('publisher-present'));
    publisher.leave('phone has left');
    publishing.enter(connected('tablet'), NOT_ASKED);
    expect(publishing.state()).toBe('tablet');
  });

  it.each([
    { newestWins: false, asks: true },
    { newestWins: true, asks: false },
  ])('allow a take-over, $newestWins, $asks', ({ newestWins, asks }) => {
    const { publishing, published, rejected } = setUp({ newestWins });
    const phone = connected('phone');
    const first = publishing.enter(phone, NOT_ASKED);
    const tablet = connected('tablet');
    const second = publishing.enter(tablet, { takeOver: asks });
    expect(phone.ends).toEqual([{ kind: 'taken-over', by: 'tablet' }]);
    expect(() => first.publish(JPEG)).toThrow(coded('taken-over'));
    first.reject(new Error('late'));
    first.leave('phone has left');
    second.publish(JPEG, { message: 2 });
    expect({ published, rejected }).toEqual({ published: [2], rejected: [] });
    expect(publishing.state()).toBe('tablet');
    publishing.publish(single('curl'), JPEG, { message: 3 }, { takeOver: asks });
    expect(tablet.ends).toEqual([{ kind: 'taken-over', by: 'curl' }]);
  });

  it('delivers return data', async () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    const publishing = new Publishing();
    publishing.open({ returns } as unknown as SourceSink);
    const changes = publishing.enter(connected('phone'), NOT_ASKED).returns();
    returns.set(6000, { kind: 'value', value: 1, json: '1' });
    expect((await changes.next()).value).toMatchObject({ port: 6000, mode: 'sticky', data: { value: 1 } });
  });

  it('ends with the source', () => {
    const { publishing, published } = setUp();
    const phone = connected('phone');
    const publisher = publishing.enter(phone, NOT_ASKED);
    publishing.close();
    publishing.close();
    expect(phone.ends).toEqual([{ kind: 'closed' }]);
    publisher.leave('phone has left');
    expect(published).toEqual([]);
    expect(() => publishing.enter(phone, ASKED)).toThrow(coded('closed'));
    expect(() => publishing.publish(single('curl'), JPEG, {}, ASKED)).toThrow(coded('closed'));
  });
});

describe('Publishing: single frames', () => {
  it('keep the publisher active for 2 s after the last one', () => {
    const { publishing, clock, published } = setUp();
    publishing.publish(single('a'), JPEG, { message: 1 }, NOT_ASKED);
    clock.nowMs += 1500;
    publishing.publish(single('a'), JPEG, { message: 2 }, NOT_ASKED);
    clock.nowMs += 1999;
    expect(publishing.state()).toBe('a');
    expect(() => publishing.publish(single('b'), JPEG, {}, NOT_ASKED)).toThrow(coded('publisher-present'));
    clock.nowMs += 1;
    expect(publishing.state()).toBe('waiting for a publisher');
    publishing.publish(single('b'), JPEG, { message: 3 }, NOT_ASKED);
    expect(publishing.state()).toBe('b');
    expect(published).toEqual([1, 2, 3]);
  });

  it('do not activate a publisher that only checks for permission or fails', () => {
    const { publishing } = setUp();
    publishing.check(single('a'), ASKED);
    expect(() => publishing.publish(single('a'), JPEG.subarray(1), {}, ASKED)).toThrow(coded('jpeg-invalid'));
    expect(publishing.state()).toBe('waiting for a publisher');
    const phone = connected('phone');
    publishing.enter(phone, NOT_ASKED);
    publishing.check(single('a'), ASKED);
    expect(() => publishing.publish(single('a'), JPEG.subarray(1), {}, ASKED)).toThrow(coded('jpeg-invalid'));
    expect(phone.ends).toEqual([]);
  });

  it('are counted if refused', () => {
    const { publishing, rejected } = setUp();
    const error = new Error('no picture');
    publishing.reject(error);
    publishing.close();
    publishing.reject(error);
    expect(rejected).toEqual([error]);
  });

  it.each([
    { newestWins: false, asks: true },
    { newestWins: true, asks: false },
  ])('do not let two active publishers alternate with each frame, $newestWins, $asks', ({ newestWins, asks }) => {
    const { publishing, clock, published } = setUp({ newestWins });
    const takeOver = { takeOver: asks };
    publishing.publish(single('a'), JPEG, { message: 'a1' }, NOT_ASKED);
    publishing.publish(single('b'), JPEG, { message: 'b1' }, takeOver);
    for (let n = 2; n < 100; n += 1) {
      clock.nowMs += 1000;
      expect(() => publishing.publish(single('a'), JPEG, {}, takeOver)).toThrow(coded('taken-over'));
      publishing.publish(single('b'), JPEG, { message: `b${n}` }, takeOver);
    }
    clock.nowMs += 1999;
    publishing.publish(single('b'), JPEG, { message: 'b100' }, takeOver);
    clock.nowMs += 1;
    publishing.publish(single('a'), JPEG, { message: 'a2' }, takeOver);
    expect(() => publishing.publish(single('b'), JPEG, {}, takeOver)).toThrow(coded('taken-over'));
    expect(published).toEqual(['a1', ...Array.from({ length: 100 }, (_none, index) => `b${index + 1}`), 'a2']);
  });

  it('re-admit a replaced publisher once the stream is free', () => {
    const { publishing } = setUp();
    publishing.publish(single('a'), JPEG, {}, NOT_ASKED);
    const publisher = publishing.enter(connected('phone'), ASKED);
    expect(() => publishing.publish(single('a'), JPEG, {}, NOT_ASKED)).toThrow(coded('taken-over'));
    publisher.leave('phone has left');
    publishing.publish(single('a'), JPEG, {}, NOT_ASKED);
    expect(publishing.state()).toBe('a');
  });
});

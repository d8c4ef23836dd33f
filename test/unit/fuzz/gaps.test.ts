import { describe, expect, it } from 'vitest';
import { GapMeter, longest, ownGap } from '../../fuzz/gaps.ts';

describe('GapMeter', () => {
  it('keeps gaps of at least 100 ms, and counts an ongoing gap', () => {
    const meter = new GapMeter();
    for (const ms of [1e6, 1e6 + 50, 1e6 + 250, 1e6 + 300]) meter.event(ms);
    expect(meter.since(1e6, 1e6 + 350)).toEqual([{ fromMs: 1e6 + 50, toMs: 1e6 + 250 }]);
    expect(longest(meter.since(1e6, 1e6 + 900))).toBe(600);
    expect(longest(meter.since(1e6 + 260, 1e6 + 310))).toBe(0);
  });
});

describe('ownGap', () => {
  const gap = { fromMs: 10_000, toMs: 10_600 };
  const none = (): number => 0;

  it('attributes a gap to the gateway if the control process continues', () => {
    expect(ownGap([gap], [], none)).toEqual({ ownMs: 600, seenMs: 600 });
    expect(ownGap([gap], [{ fromMs: 10_100, toMs: 10_399 }], none).ownMs).toBe(600);
    expect(ownGap([gap], [{ fromMs: 5000, toMs: 8999 }], none).ownMs).toBe(600);
  });

  it('attributes it to the machine if the control process was suspended as well', () => {
    expect(ownGap([gap], [{ fromMs: 10_100, toMs: 10_400 }], none)).toEqual({ ownMs: 0, seenMs: 600 });
    expect(ownGap([gap], [{ fromMs: 11_000, toMs: 11_500 }], none).ownMs).toBe(0);
  });

  it('subtracts the time without a processor', () => {
    expect(ownGap([gap], [], (from, to) => (to - from) / 4)).toEqual({ ownMs: 450, seenMs: 600 });
  });
});

import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LargeMessages } from '../../../gateway/connection/large-messages.ts';

const LARGE = (256 << 10) + 1;

/** A connection of this address, and what it was told. */
function join(messages: LargeMessages, address: string): { readonly meter: ReturnType<LargeMessages['join']>; readonly told: string[] } {
  const told: string[] = [];
  return { told, meter: messages.join({ address, resume: () => told.push('resume'), paused: () => told.push('paused'), timedOut: (reason) => told.push(reason) }) };
}

describe('LargeMessages', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('lets 8 be received at the same time, 4 of an address; the first to wait is the first to continue', async () => {
    const messages = new LargeMessages();
    const all = Array.from({ length: 14 }, (_, n) => join(messages, n < 6 ? 'a' : `b${n % 4}`));
    expect(all.map(({ meter }) => meter.received(LARGE))).toEqual([...Array(4).fill(true), false, false, ...Array(4).fill(true), ...Array(4).fill(false)]);
    // A waiting connection asks again with the rest of its chunk.
    expect(all[4]!.meter.received(1)).toBe(false);
    all[6]!.meter.completed();
    await nextTurn();
    // Those of address a wait for their own address.
    expect(all.map(({ told }) => told.length)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    all[0]!.meter.completed();
    all[1]!.meter.close();
    await nextTurn();
    expect(all.map(({ told }) => told.length)).toEqual([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0]);
    expect(all[4]!.meter.received(LARGE)).toBe(true);
  });

  it('counts a message over its fragments and chunks, without the pings in between', () => {
    const messages = new LargeMessages();
    for (let n = 0; n < 4; n += 1) expect(join(messages, 'a').meter.received(LARGE)).toBe(true);
    const { meter } = join(messages, 'a');
    for (let n = 0; n < 1000; n += 1) {
      expect(meter.received(131)).toBe(true);
      meter.control(131);
    }
    for (let n = 0; n < 300; n += 1) {
      expect(meter.received(200 << 10)).toBe(true);
      meter.completed();
    }
    expect(meter.received(200 << 10)).toBe(true);
    expect(meter.received(100 << 10)).toBe(false);
  });

  it('forgets a connection that closes while it waits', async () => {
    const messages = new LargeMessages();
    const holders = Array.from({ length: 4 }, () => join(messages, 'a'));
    for (const { meter } of holders) meter.received(LARGE);
    const [gone, next] = [join(messages, 'a'), join(messages, 'a')];
    expect([gone.meter.received(LARGE), next.meter.received(LARGE)]).toEqual([false, false]);
    gone.meter.close();
    holders[0]!.meter.completed();
    await nextTurn();
    expect([gone.told, next.told]).toEqual([[], ['resume']]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends a message that takes more than 10 s, only while others wait, which are not taken for silent', () => {
    const messages = new LargeMessages();
    const holders = Array.from({ length: 4 }, () => join(messages, 'a'));
    for (const { meter } of holders) meter.received(LARGE);
    vi.advanceTimersByTime(60_000);
    expect(holders[0]!.told).toEqual([]);
    const waiting = join(messages, 'a');
    waiting.meter.received(LARGE);
    vi.advanceTimersByTime(1000);
    expect(waiting.told).toEqual(['paused']);
    expect(holders.map(({ told }) => told)).toEqual(Array(4).fill(['a message of more than 256 KiB took more than 10 s while others waited']));
  });
});

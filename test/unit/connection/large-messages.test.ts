import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LargeMessages } from '../../../gateway/connection/large-messages.ts';

const MIB = 1 << 20;

/** A connection of this address, which records its callbacks. */
function join(
  messages: LargeMessages,
  address: string,
): { readonly meter: ReturnType<LargeMessages['join']>; readonly calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    meter: messages.join({
      address,
      resume: () => calls.push('resume'),
      paused: () => calls.push('paused'),
      timedOut: (reason) => calls.push(reason),
    }),
  };
}

/** Counts input. @returns whether reading continues. */
function receive({ meter }: Pick<ReturnType<typeof join>, 'meter'>, bytes: number): boolean {
  meter.received(bytes);
  return !meter.isWaiting;
}

describe('LargeMessages', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('are limited to 24 MiB per address: the oldest continues, and the others when it is complete', async () => {
    const messages = new LargeMessages();
    const all = Array.from({ length: 5 }, () => join(messages, 'a'));
    expect(all.map((each) => receive(each, 6 * MIB))).toEqual([true, true, true, true, false]);
    expect(all.map((each) => receive(each, 1))).toEqual([true, false, false, false, false]);
    expect(receive(join(messages, 'b'), 6 * MIB)).toBe(true);
    all[0]!.meter.completed();
    await nextTurn();
    // 24 MiB and four bytes are left; the message of the second connection is the oldest now.
    expect(all.map(({ calls }) => calls)).toEqual([[], ['resume'], [], [], []]);
    all[1]!.meter.close();
    await nextTurn();
    expect(all.map(({ calls }) => calls)).toEqual([[], ['resume'], ['resume'], ['resume'], ['resume']]);
  });

  it('are limited to 48 MiB for all addresses', async () => {
    const messages = new LargeMessages();
    const all = Array.from({ length: 10 }, (_, n) => join(messages, `address ${n}`));
    expect(all.map((each) => receive(each, 6 * MIB))).toEqual([...Array(8).fill(true), false, false]);
    expect(receive(all[3]!, 1)).toBe(false);
    for (const n of [5, 6]) all[n]!.meter.completed();
    await nextTurn();
    expect(all.map(({ calls }) => calls.length)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    all[7]!.meter.completed();
    await nextTurn();
    expect(all.map(({ calls }) => calls.length)).toEqual([0, 0, 0, 1, 0, 0, 0, 0, 1, 1]);
    expect(receive(all[9]!, 1)).toBe(true);
  });

  it('counts all fragments and chunks of a message without pings, and does not limit small ones', () => {
    const messages = new LargeMessages();
    expect(receive(join(messages, 'a'), 24 * MIB)).toBe(true);
    const sender = join(messages, 'a');
    const { meter } = sender;
    for (let n = 0; n < 3000; n += 1) {
      expect(receive(sender, 131)).toBe(true);
      meter.control(131);
    }
    for (let n = 0; n < 300; n += 1) {
      expect(receive(sender, 200 << 10)).toBe(true);
      meter.completed();
    }
    expect(receive(sender, 200 << 10)).toBe(true);
    expect(receive(sender, 100 << 10)).toBe(false);
  });

  it('ends a message that takes more than 10 s only while others wait; those do not time out', async () => {
    const messages = new LargeMessages();
    const slow = join(messages, 'a');
    receive(slow, 24 * MIB);
    vi.advanceTimersByTime(60_000);
    expect(slow.calls).toEqual([]);
    const waiting = join(messages, 'a');
    expect(receive(waiting, MIB)).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(waiting.calls).toEqual(['paused']);
    expect(slow.calls).toEqual(['a message of more than 256 KiB took more than 10 s while others waited']);
    slow.meter.close();
    await nextTurn();
    expect(waiting.calls).toEqual(['paused', 'resume']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not count the waiting time of a message', async () => {
    const messages = new LargeMessages();
    const slow = join(messages, 'a');
    const [first, second] = [join(messages, 'a'), join(messages, 'a')];
    receive(slow, 24 * MIB);
    expect([receive(first, 24 * MIB), receive(second, MIB)]).toEqual([false, false]);
    vi.advanceTimersByTime(60_000);
    slow.meter.close();
    await nextTurn();
    vi.advanceTimersByTime(10_000);
    expect([first.calls.at(-1), second.calls.at(-1)]).toEqual(['resume', 'paused']);
    vi.advanceTimersByTime(1000);
    expect(first.calls.at(-1)).toMatch(/^a message of more than 256 KiB took more than 10 s/);
  });

  it('does not pause a connection whose last chunk completes the message', () => {
    const messages = new LargeMessages();
    receive(join(messages, 'a'), 24 * MIB);
    const sender = join(messages, 'a');
    expect(receive(sender, MIB)).toBe(false);
    sender.meter.completed();
    expect(sender.meter.isWaiting).toBe(false);
  });

  it('removes a connection that closes while it waits', async () => {
    const messages = new LargeMessages();
    receive(join(messages, 'a'), 24 * MIB);
    const gone = join(messages, 'a');
    expect(receive(gone, MIB)).toBe(false);
    expect(vi.getTimerCount()).toBe(1);
    gone.meter.close();
    await nextTurn();
    expect(gone.calls).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

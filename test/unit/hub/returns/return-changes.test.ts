import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReturnChange } from '../../../../gateway/hub/returns/return-changes.ts';
import { type ReturnData, Returns } from '../../../../gateway/hub/returns/returns.ts';
import type { Value } from '../../../../shared/protocol.ts';

const value = (data: Value): ReturnData => ({ kind: 'value', value: data, json: JSON.stringify(data) });
const array = (byte: number): ReturnData => ({
  kind: 'array',
  array: { dtype: 'uint8', shape: [1], data: Uint8Array.of(byte) },
});

function setUp(): Returns {
  const returns = new Returns({ hasServer: false });
  for (const port of [6000, 6001]) returns.join(port);
  return returns;
}

const plain = ({ port, mode, data }: ReturnChange): unknown => [
  port,
  mode,
  data.kind === 'value' ? data.value : data.kind,
];

/** All waiting changes, after the end. */
async function rest(changes: AsyncIterableIterator<ReturnChange>): Promise<unknown[]> {
  void changes.return?.();
  const all: unknown[] = [];
  for await (const change of changes) all.push(plain(change));
  return all;
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('Returns.changes', () => {
  it('begins with the current values', async () => {
    const returns = setUp();
    returns.set(6000, value('a'));
    returns.set(6001, value('gone'), 100);
    returns.push(6000, value('too early'));
    vi.advanceTimersByTime(100);
    expect(await rest(returns.changes())).toEqual([[6000, 'sticky', 'a']]);
  });

  it('reports changes, and each once-only value, in order', async () => {
    const returns = setUp();
    const changes = returns.changes();
    returns.set(6000, value(1));
    returns.set(6000, value(1));
    returns.push(6000, value(1));
    returns.push(6000, value(1));
    returns.set(6001, array(7));
    expect(await rest(changes)).toEqual([
      [6000, 'sticky', 1],
      [6000, 'once', 1],
      [6000, 'once', 1],
      [6001, 'sticky', 'array'],
    ]);
  });

  it('delivers a value to a waiting reader immediately', async () => {
    const returns = setUp();
    const changes = returns.changes();
    const next = changes.next();
    returns.set(6000, value(1));
    returns.set(6000, value(2));
    expect(plain((await next).value as ReturnChange)).toEqual([6000, 'sticky', 1]);
    expect(await rest(changes)).toEqual([[6000, 'sticky', 2]]);
  });

  it('keeps only the newest sticky value of a port, at the position of the newest', async () => {
    const returns = setUp();
    const changes = returns.changes();
    for (let n = 0; n < 1000; n += 1) returns.set(6000, value(n));
    returns.set(6001, value('b'));
    returns.push(6001, value('once'));
    returns.set(6000, value('last'));
    expect(await rest(changes)).toEqual([
      [6001, 'sticky', 'b'],
      [6001, 'once', 'once'],
      [6000, 'sticky', 'last'],
    ]);
    expect(returns.dropped).toBe(0);
  });

  it('keeps 256 once-only values, drops the oldest beyond that, and counts it', async () => {
    const returns = setUp();
    const changes = returns.changes();
    returns.set(6001, value('sticky'));
    for (let n = 0; n < 256; n += 1) returns.push(6000, value(n));
    expect(returns.dropped).toBe(0);
    returns.push(6000, value(256));
    expect(returns.dropped).toBe(1);
    const all = await rest(changes);
    expect(all).toHaveLength(257);
    expect([all[0], all[1], all.at(-1)]).toEqual([
      [6001, 'sticky', 'sticky'],
      [6000, 'once', 1],
      [6000, 'once', 256],
    ]);
  });

  it('reports null when a client that had returned something leaves', async () => {
    const returns = setUp();
    returns.set(6000, value('drive'));
    const changes = returns.changes();
    expect(plain((await changes.next()).value as ReturnChange)).toEqual([6000, 'sticky', 'drive']);
    returns.leave(6000);
    returns.leave(6001);
    expect(await rest(changes)).toEqual([[6000, 'sticky', null]]);
  });

  it('reports nothing for a client that has returned null', async () => {
    const returns = setUp();
    returns.set(6000, value('drive'));
    const changes = returns.changes();
    returns.set(6000, value(null));
    returns.leave(6000);
    expect(await rest(changes)).toEqual([[6000, 'sticky', null]]);
  });

  it('reports null when the time to live is over; the same value restarts it', async () => {
    const returns = setUp();
    returns.set(6001, value('set before'), 100);
    const changes = returns.changes();
    returns.set(6000, value('drive'), 100);
    vi.advanceTimersByTime(99);
    returns.set(6000, value('drive'), 100);
    vi.advanceTimersByTime(1);
    expect(plain((await changes.next()).value as ReturnChange)).toEqual([6000, 'sticky', 'drive']);
    expect(plain((await changes.next()).value as ReturnChange)).toEqual([6001, 'sticky', null]);
    vi.advanceTimersByTime(98);
    const next = changes.next();
    vi.advanceTimersByTime(1);
    expect(plain((await next).value as ReturnChange)).toEqual([6000, 'sticky', null]);
    expect(returns.get(6000)).toBeNull();
    returns.set(6000, value('drive'));
    returns.set(6000, value('stop'), 100);
    returns.set(6000, value('forever'));
    vi.advanceTimersByTime(1000);
    expect(await rest(changes)).toEqual([[6000, 'sticky', 'forever']]);
  });

  it('removes the time to live if the same value is set without one', async () => {
    const returns = setUp();
    const changes = returns.changes();
    returns.set(6000, value('drive'), 100);
    returns.set(6000, value('drive'));
    vi.advanceTimersByTime(1000);
    expect(await rest(changes)).toEqual([[6000, 'sticky', 'drive']]);
  });

  it('ends with the stream, and leaves no timer', async () => {
    const returns = setUp();
    const changes = returns.changes();
    const next = changes.next();
    await expect(changes.next()).rejects.toMatchObject({ code: 'busy' });
    returns.close();
    expect(await next).toEqual({ value: undefined, done: true });
    expect(await returns.changes().next()).toEqual({ value: undefined, done: true });
    const other = setUp();
    other.set(6000, value(1), 5000);
    void other.changes().return?.();
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { type PortData, type ReturnData, Returns } from '../../../../gateway/hub/returns/returns.ts';
import type { Value } from '../../../../shared/protocol.ts';
import { takeJson } from '../../../helpers/take-json.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const value = (data: Value, json = JSON.stringify(data)): ReturnData => ({ kind: 'value', value: data, json });

function setUp({ hasServer = true } = {}): { returns: Returns; clock: { nowMs: number } } {
  const clock = { nowMs: 1000 };
  return { returns: new Returns({ hasServer, nowMs: () => clock.nowMs }), clock };
}

/** The remaining items of a closed reader. */
async function rest(reader: AsyncIterable<PortData>): Promise<PortData[]> {
  const items: PortData[] = [];
  for await (const item of reader) items.push(item);
  return items;
}

describe('Returns', () => {
  it('shows null for clients that have returned nothing, ordered by port as a number', () => {
    const { returns } = setUp();
    expect(takeJson(returns)).toBe('{}');
    for (const port of [10_000, 6000, 5567, 999]) returns.join(port);
    expect(takeJson(returns)).toBe('{"999": null, "5567": null, "6000": null, "10000": null}');
  });

  it('returns a sticky value repeatedly, as its sender wrote it', () => {
    const { returns } = setUp();
    returns.join(5567);
    returns.set(5567, value(2, '2.0'));
    expect([takeJson(returns), takeJson(returns)]).toEqual(['{"5567": 2.0}', '{"5567": 2.0}']);
    expect(returns.get(5567)).toEqual({ ...value(2, '2.0'), version: 1 });
    returns.set(5567, value(2, '2'));
    expect(takeJson(returns)).toBe('{"5567": 2}');
    returns.set(5567, value(null));
    expect(takeJson(returns)).toBe('{"5567": null}');
  });

  it('returns once-only values in order, one per reply and port, then the sticky value', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.join(6001);
    returns.set(6000, value('sticky'));
    returns.push(6000, value('a'));
    returns.push(6000, value('b'));
    returns.push(6001, value('c'));
    expect([1, 2, 3, 4].map(() => takeJson(returns))).toEqual([
      '{"6000": "a", "6001": "c"}',
      '{"6000": "b", "6001": null}',
      '{"6000": "sticky", "6001": null}',
      '{"6000": "sticky", "6001": null}',
    ]);
  });

  it('returns the data of one port, and nothing for a missing client', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.join(6001);
    expect(returns.take(6000)).toMatchObject(value(null));
    returns.set(6000, value('sticky'));
    returns.push(6000, value('once'));
    returns.set(6001, value('another'));
    expect([returns.take(6000), returns.take(6000), returns.take(6001), returns.take(5999)]).toMatchObject([
      value('once'),
      value('sticky'),
      value('another'),
      value(null),
    ]);
    expect(takeJson(returns)).toBe('{"6000": "sticky", "6001": "another"}');
    returns.leave(6000);
    expect(returns.take(6000)).toMatchObject(value(null));
  });

  it('returns the newest value of all clients, after the once-only values in order of arrival', () => {
    const { returns, clock } = setUp();
    expect(returns.takeNewest()).toMatchObject(value(null));
    for (const port of [6000, 6001, 6002]) returns.join(port);
    returns.set(6001, value('first'));
    returns.set(6000, value('second'), 100);
    expect(returns.takeNewest()).toMatchObject(value('second'));
    returns.push(6002, value('a'));
    returns.push(6000, value('b'));
    returns.push(6002, value('c'));
    expect([1, 2, 3, 4].map(() => returns.takeNewest())).toMatchObject([
      value('a'),
      value('b'),
      value('c'),
      value('second'),
    ]);
    // Its time to live is over: the previous value is in effect again.
    clock.nowMs += 100;
    expect(returns.takeNewest()).toMatchObject(value('first'));
    returns.leave(6001);
    expect(returns.takeNewest()).toMatchObject(value(null));
  });

  it('discards the once-only values before an urgent value, and counts them', () => {
    const { returns } = setUp();
    returns.join(6000);
    for (const name of ['first', 'second']) returns.push(6000, value(name));
    const { bytes } = returns;
    returns.discardOnce(6000);
    returns.set(6000, value('stop'));
    expect(returns.take(6000)).toMatchObject(value('stop'));
    expect(returns.dropped).toBe(2);
    expect(returns.bytes).toBeLessThan(bytes);
    expect(() => returns.discardOnce(6001)).toThrow(coded('no-port'));
  });

  it('delivers an urgent value before later once-only values', () => {
    const { returns } = setUp();
    returns.join(6000);
    const next: (() => unknown)[] = [() => returns.take(6000), () => returns.takeAll()[0]?.data];
    for (const take of next) {
      returns.discardOnce(6000);
      returns.set(6000, value('stop'));
      for (const name of ['first', 'second']) returns.push(6000, value(name));
      for (const expected of ['stop', 'first', 'second', 'stop']) expect(take()).toMatchObject(value(expected));
    }
  });

  it('accepts 32 waiting once-only values per port, but not a 33rd', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.join(6001);
    for (let i = 0; i < 32; i += 1) returns.push(6000, value(i));
    expect(() => returns.push(6000, value(32))).toThrow(coded('too-many'));
    returns.push(6001, value(0));
    takeJson(returns);
    returns.push(6000, value(33));
    expect(() => returns.push(6000, value(34))).toThrow(coded('too-many'));
  });

  it('keeps no once-only values without a server', () => {
    const { returns } = setUp({ hasServer: false });
    returns.join(6000);
    for (let i = 0; i < 1000; i += 1) returns.push(6000, value(i));
    expect(takeJson(returns)).toBe('{"6000": null}');
  });

  it('ends a sticky value when its time to live is over', () => {
    const { returns, clock } = setUp();
    returns.join(6000);
    returns.set(6000, value('go'), 500);
    expect(takeJson(returns)).toBe('{"6000": "go"}');
    clock.nowMs += 499;
    expect(takeJson(returns)).toBe('{"6000": "go"}');
    expect(returns.get(6000)).not.toBeNull();
    clock.nowMs += 1;
    expect(takeJson(returns)).toBe('{"6000": null}');
    expect(returns.get(6000)).toBeNull();
  });

  it('extends the same value when it is set again', () => {
    const { returns, clock } = setUp();
    returns.join(6000);
    returns.set(6000, value('go'), 500);
    takeJson(returns);
    clock.nowMs += 400;
    returns.set(6000, value('go'), 500);
    clock.nowMs += 400;
    expect(takeJson(returns)).toBe('{"6000": "go"}');
    returns.set(6000, value('go'));
    clock.nowMs += 100_000;
    expect(takeJson(returns)).toBe('{"6000": "go"}');
    returns.set(6000, value('go'), 1);
    clock.nowMs += 1;
    expect(takeJson(returns)).toBe('{"6000": null}');
  });

  it('removes a client that leaves, with all its data', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.join(6001);
    returns.set(6000, value('drive'));
    returns.push(6000, value('jump'));
    returns.leave(6000);
    expect(takeJson(returns)).toBe('{"6001": null}');
    expect(returns.get(6000)).toBeNull();
    returns.join(6000);
    expect(takeJson(returns)).toBe('{"6000": null, "6001": null}');
  });

  it('accepts nothing for a port that has not joined', () => {
    const { returns } = setUp();
    expect(() => returns.set(6000, value(1))).toThrow(coded('no-port'));
    expect(() => returns.push(6000, value(1))).toThrow(coded('no-port'));
  });

  it('joins a port once: joining again keeps its data', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.set(6000, value(1));
    returns.join(6000);
    expect(takeJson(returns)).toBe('{"6000": 1}');
  });

  it('writes arrays and JPEGs with their bytes in base64', () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.join(6001);
    const data = Uint8Array.from([9, 0, 1, 2, 253, 254, 255, 9]).subarray(1, 7);
    returns.set(6000, { kind: 'array', array: { dtype: 'uint8', shape: [2, 3], data } });
    returns.set(6001, { kind: 'jpeg', data: Uint8Array.from([0xff, 0xd8, 0xff, 0xd9]), colorspace: 'BGR' });
    expect(takeJson(returns)).toBe(
      '{"6000": {"$ndarray": {"dtype": "uint8", "shape": [2, 3], "data": "AAEC/f7/"}}, "6001": {"$ndarray": {"jpeg": "/9j/2Q=="}}}',
    );
  });

  it('counts rejected values', () => {
    const { returns } = setUp();
    returns.countRejected();
    returns.countRejected();
    expect(returns.rejected).toBe(2);
  });
});

describe('Returns.values', () => {
  it('yields a sticky value when it changes, and each once-only value', async () => {
    const { returns } = setUp();
    returns.join(6000);
    returns.set(6000, value('before'));
    const reader = returns.values();
    returns.set(6000, value('before'));
    returns.set(6000, value('a'));
    returns.set(6000, value('a'));
    returns.set(6000, value('a'), 500);
    returns.push(6000, value('once'));
    returns.push(6000, value('once'));
    returns.set(6000, value('b'));
    returns.close();
    expect(await rest(reader)).toEqual(['a', 'once', 'once', 'b'].map((data) => ({ port: 6000, data })));
  });

  it('yields a value again if it had ended in the meantime', async () => {
    const { returns, clock } = setUp();
    returns.join(6000);
    const reader = returns.values();
    returns.set(6000, value('go'), 500);
    clock.nowMs += 500;
    returns.set(6000, value('go'), 500);
    returns.close();
    expect(await rest(reader)).toHaveLength(2);
  });

  it('yields arrays and JPEGs unconverted, and only when they change', async () => {
    const { returns } = setUp();
    returns.join(6000);
    const reader = returns.values();
    const array = (dtype: string, shape: number[], fill: number): ReturnData => ({
      kind: 'array',
      array: { dtype, shape, data: new Uint8Array(4).fill(fill) },
    });
    for (const data of [
      array('uint8', [4], 1),
      array('uint8', [4], 1),
      array('int8', [4], 1),
      array('int8', [2, 2], 1),
      array('int8', [2, 2], 2),
    ])
      returns.set(6000, data);
    for (const fill of [1, 1, 2])
      returns.set(6000, { kind: 'jpeg', data: new Uint8Array(4).fill(fill), colorspace: 'BGR' });
    returns.close();
    expect(await rest(reader)).toEqual([
      { port: 6000, data: { dtype: 'uint8', shape: [4], data: new Uint8Array(4).fill(1) } },
      { port: 6000, data: { dtype: 'int8', shape: [4], data: new Uint8Array(4).fill(1) } },
      { port: 6000, data: { dtype: 'int8', shape: [2, 2], data: new Uint8Array(4).fill(1) } },
      { port: 6000, data: { dtype: 'int8', shape: [2, 2], data: new Uint8Array(4).fill(2) } },
      { port: 6000, data: new Uint8Array(4).fill(1) },
      { port: 6000, data: new Uint8Array(4).fill(2) },
    ]);
  });

  it('delivers a value to a waiting reader immediately', async () => {
    const { returns } = setUp();
    returns.join(6000);
    const reader = returns.values();
    const next = reader.next();
    returns.set(6000, value(1));
    expect(await next).toEqual({ value: { port: 6000, data: 1 }, done: false });
  });

  it('keeps 256 values for a slow reader, then drops the oldest, and counts it', async () => {
    const { returns } = setUp({ hasServer: false });
    returns.join(6000);
    const slow = returns.values();
    for (let i = 0; i < 256; i += 1) returns.push(6000, value(i));
    expect(returns.dropped).toBe(0);
    for (let i = 256; i < 260; i += 1) returns.push(6000, value(i));
    expect(returns.dropped).toBe(4);
    returns.close();
    const items = await rest(slow);
    expect(items).toHaveLength(256);
    expect(items[0]).toEqual({ port: 6000, data: 4 });
    expect(items.at(-1)).toEqual({ port: 6000, data: 259 });
  });

  it('detaches only the reader whose loop is left', async () => {
    const { returns } = setUp({ hasServer: false });
    returns.join(6000);
    const [leaving, staying] = [returns.values(), returns.values()];
    returns.push(6000, value(1));
    for await (const item of leaving) {
      expect(item.data).toBe(1);
      break;
    }
    for (let i = 2; i < 400; i += 1) returns.push(6000, value(i));
    expect(returns.dropped).toBe(399 - 256);
    returns.close();
    expect(await rest(staying)).toHaveLength(256);
  });

  it('rejects a second next() while one is pending', async () => {
    const { returns } = setUp();
    const reader = returns.values();
    const first = reader.next();
    await expect(reader.next()).rejects.toMatchObject({ code: 'busy' });
    returns.close();
    expect(await first).toEqual({ value: undefined, done: true });
  });

  it('ends readers when it closes, and later ones', async () => {
    const { returns } = setUp();
    returns.close();
    returns.close();
    expect(await returns.values().next()).toEqual({ value: undefined, done: true });
  });
});

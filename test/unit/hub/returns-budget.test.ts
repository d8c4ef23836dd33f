import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedReader } from '../../../gateway/hub/bounded-reader.ts';
import { ByteBudget } from '../../../gateway/hub/byte-budget.ts';
import { budgetBytes, type ReturnData } from '../../../gateway/hub/returns/return-data.ts';
import { MAX_RETURN_BYTES, MAX_STREAM_RETURN_BYTES, Returns } from '../../../gateway/hub/returns/returns.ts';
import { takeJson } from '../../helpers/take-json.ts';
import { encodePorts } from '../../../gateway/sources/netgear/encode-ports.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const text = (length: number): ReturnData => ({
  kind: 'value',
  value: 'x'.repeat(length),
  json: `"${'x'.repeat(length)}"`,
});
const array = (bytes: number, fill = 0): ReturnData => ({
  kind: 'array',
  array: { dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes).fill(fill) },
});
const jpeg = (bytes: number): ReturnData => ({ kind: 'jpeg', data: new Uint8Array(bytes), colorspace: 'BGR' });

describe('ByteBudget', () => {
  it('reserves bytes up to its capacity, here and in its parent, or nothing', () => {
    const parent = new ByteBudget(150);
    const [first, second] = [new ByteBudget(100, parent), new ByteBudget(100, parent)];
    expect(first.reserve(101)).toBe(false);
    expect(first.reserve(100)).toBe(true);
    expect(first.reserve(1)).toBe(false);
    expect(second.reserve(51)).toBe(false);
    expect([first.used, second.used, parent.used]).toEqual([100, 0, 100]);
    expect(second.reserve(50)).toBe(true);
    first.release(100);
    expect([first.used, second.used, parent.used]).toEqual([0, 50, 50]);
  });
});

describe('budgetBytes', () => {
  it('is never less than the text of a value', () => {
    const data = fc.oneof(
      fc.string({ unit: 'binary' }).map((value): ReturnData => ({ kind: 'value', value, json: JSON.stringify(value) })),
      fc.uint8Array({ maxLength: 300 }).map((bytes): ReturnData => ({ kind: 'jpeg', data: bytes, colorspace: 'BGR' })),
      fc
        .tuple(
          fc.uint8Array({ maxLength: 300 }),
          fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { maxLength: 8 }),
          fc.string({ maxLength: 16 }),
        )
        .map(([bytes, shape]): ReturnData => ({ kind: 'array', array: { dtype: 'float64', shape, data: bytes } })),
    );
    fc.assert(
      fc.property(
        data,
        (value) =>
          Buffer.concat(encodePorts([{ port: 6000, data: value }])).byteLength - '{"6000": }'.length <=
          budgetBytes(value),
      ),
    );
  });
});

describe('Returns: bytes', () => {
  function setUp(capacity: number): { returns: Returns; budget: ByteBudget; clock: { nowMs: number } } {
    const clock = { nowMs: 0 };
    const budget = new ByteBudget(capacity);
    const returns = new Returns({ hasServer: true, budget, nowMs: () => clock.nowMs });
    for (const port of [6000, 6001, 6002]) returns.join(port);
    return { returns, budget, clock };
  }

  it('accepts values up to the budget, refuses the next with too-large, and continues', () => {
    const bytes = budgetBytes(array(300));
    const { returns, budget } = setUp(2 * bytes);
    returns.set(6000, array(300));
    returns.push(6001, array(300));
    expect(() => returns.set(6002, array(1))).toThrow(coded('too-large'));
    expect(() => returns.push(6002, array(1))).toThrow(coded('too-large'));
    expect(() => returns.set(6000, array(301))).toThrow(coded('too-large'));
    expect(budget.used).toBe(2 * bytes);
    // The previous value stays in effect, and smaller data replaces it.
    expect(returns.get(6000)).toMatchObject(array(300));
    returns.set(6000, text(3));
    returns.set(6002, text(3));
    expect(budget.used).toBe(bytes + 2 * budgetBytes(text(3)));
    takeJson(returns);
    expect(budget.used).toBe(2 * budgetBytes(text(3)));
  });

  it('reuses the bytes of expired values', () => {
    const { returns, clock } = setUp(budgetBytes(array(300)));
    returns.set(6000, array(300), 100);
    clock.nowMs = 99;
    expect(() => returns.set(6001, array(300))).toThrow(coded('too-large'));
    clock.nowMs = 100;
    returns.push(6001, array(300), 100);
    clock.nowMs = 200;
    returns.set(6002, array(300));
  });

  it('keeps the same value, and its bytes, when it is set again', () => {
    const { returns, budget } = setUp(budgetBytes(array(300)));
    for (let index = 0; index < 3; index += 1) returns.set(6000, array(300));
    expect(returns.get(6000)?.version).toBe(1);
    expect(budget.used).toBe(budget.capacity);
  });

  it('releases everything when clients leave, and when it closes', () => {
    const { returns, budget } = setUp(1 << 20);
    for (const port of [6000, 6001]) {
      returns.set(port, jpeg(1000));
      returns.push(port, text(100));
      returns.push(port, array(100), 50);
    }
    returns.leave(6000);
    returns.close();
    returns.close();
    expect(budget.used).toBe(0);
  });

  it('uses no bytes for once-only values without a server', () => {
    const budget = new ByteBudget(1000);
    const returns = new Returns({ hasServer: false, budget });
    returns.join(6000);
    for (let index = 0; index < 100; index += 1) returns.push(6000, array(700));
    expect(budget.used).toBe(0);
  });

  it('has a reply within the budget for any return data', () => {
    const { returns } = setUp(MAX_STREAM_RETURN_BYTES);
    let refused = 0;
    const [sticky, once] = [array(3_900_000), jpeg(3_900_000)];
    for (let port = 6003; port < 6067; port += 1) {
      returns.join(port);
      for (const give of [() => returns.set(port, sticky), () => returns.push(port, once)]) {
        try {
          give();
        } catch (error) {
          expect(error).toEqual(coded('too-large'));
          refused += 1;
        }
      }
    }
    expect(refused).toBe(2 * 64 - 3);
    expect(takeJson(returns).length).toBeLessThan(MAX_STREAM_RETURN_BYTES + 10_000);
    expect(MAX_RETURN_BYTES).toBeLessThanOrEqual(4 * MAX_STREAM_RETURN_BYTES);
  });

  it('never exceeds its budget, refuses only values that do not fit, and releases every byte', () => {
    type Give = {
      readonly kind: 'set' | 'push';
      readonly port: number;
      readonly data: ReturnData;
      readonly ttlMs: number | undefined;
    };
    type Step =
      | Give
      | { readonly kind: 'join' | 'leave' | 'take' | 'get'; readonly port: number }
      | { readonly kind: 'takeJson' | 'takeNewest' }
      | { readonly kind: 'advance'; readonly ms: number };
    const port = fc.integer({ min: 1, max: 4 });
    const data = fc.oneof(
      fc.nat({ max: 900 }).map(text),
      fc.nat({ max: 3000 }).map((bytes) => array(bytes)),
      fc.nat({ max: 3000 }).map(jpeg),
    );
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('join' as const, 'leave' as const, 'take' as const, 'get' as const),
          port,
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom('set' as const, 'push' as const),
          port,
          data,
          ttlMs: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('takeJson' as const, 'takeNewest' as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 60 }) }),
      },
    );
    const capacity = 8000;

    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = { nowMs: 0 };
        const parent = new ByteBudget(1 << 20);
        const budget = new ByteBudget(capacity, parent);
        const returns = new Returns({ hasServer: true, budget, nowMs: () => clock.nowMs });
        // The expected current values by port.
        type Value = { readonly data: ReturnData; readonly until: number; readonly at: number };
        const model = new Map<number, { sticky: Value | null; once: Value[] }>();
        let count = 0;
        const live = (value: Value): boolean => clock.nowMs < value.until;
        const liveBytes = (): number =>
          [...model.values()]
            .flatMap(({ sticky, once }) => [...(sticky === null ? [] : [sticky]), ...once])
            .filter(live)
            .reduce((sum, value) => sum + budgetBytes(value.data), 0);
        const takeFirst = (at: number): void => {
          const entry = model.get(at);
          if (entry !== undefined) entry.once = entry.once.filter(live).slice(1);
        };
        const give = (action: Give): void => {
          const entry = model.get(action.port);
          const value: Value = {
            data: action.data,
            until: action.ttlMs === undefined ? Infinity : clock.nowMs + action.ttlMs,
            at: (count += 1),
          };
          const replaced =
            action.kind === 'set' && entry !== undefined && entry.sticky !== null && live(entry.sticky)
              ? budgetBytes(entry.sticky.data)
              : 0;
          const fits = liveBytes() - replaced + budgetBytes(action.data) <= capacity;
          const isFull = action.kind === 'push' && (entry?.once.filter(live).length ?? 0) >= 32;
          let code: string | null = null;
          try {
            returns[action.kind](action.port, action.data, action.ttlMs);
          } catch (error) {
            code = (error as { code: string }).code;
          }
          expect(code).toBe(entry === undefined ? 'no-port' : isFull ? 'too-many' : fits ? null : 'too-large');
          if (code === null && entry !== undefined) {
            if (action.kind === 'set') entry.sticky = value;
            else entry.once = [...entry.once.filter(live), value];
          }
        };
        const isGiving = (action: Step): action is Give => action.kind === 'set' || action.kind === 'push';
        for (const action of steps) {
          if (isGiving(action)) give(action);
          else if (action.kind === 'advance') clock.nowMs += action.ms;
          else if (action.kind === 'takeJson') {
            expect(takeJson(returns).length).toBeLessThanOrEqual(capacity + 200);
            for (const at of model.keys()) takeFirst(at);
          } else if (action.kind === 'takeNewest') {
            returns.takeNewest();
            const [oldest] = [...model]
              .flatMap(([at, { once }]) =>
                once
                  .filter(live)
                  .slice(0, 1)
                  .map((value) => ({ at, value })),
              )
              .sort((a, b) => a.value.at - b.value.at);
            if (oldest !== undefined) takeFirst(oldest.at);
          } else if (action.kind === 'join') {
            returns.join(action.port);
            if (!model.has(action.port)) model.set(action.port, { sticky: null, once: [] });
          } else if (action.kind === 'leave') {
            returns.leave(action.port);
            model.delete(action.port);
          } else if (action.kind === 'take') {
            returns.take(action.port);
            takeFirst(action.port);
          } else if (action.kind === 'get') {
            const sticky = model.get(action.port)?.sticky;
            expect(returns.get(action.port)).toEqual(
              sticky === null || sticky === undefined || !live(sticky) ? null : expect.objectContaining(sticky.data),
            );
          }
          expect(budget.used).toBeLessThanOrEqual(capacity);
          expect(budget.used).toBeGreaterThanOrEqual(liveBytes());
          expect(parent.used).toBe(budget.used);
        }
        for (const at of model.keys()) returns.leave(at);
        expect([budget.used, parent.used]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('readers of return data: bytes', () => {
  it('drops the oldest values beyond 16 MiB, keeps the newest, and counts', async () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    const reader = returns.values();
    for (let index = 0; index < 10; index += 1) returns.push(6000, array(3_000_000, index));
    expect(returns.dropped).toBe(6);
    returns.close();
    const kept: number[] = [];
    for await (const { data } of reader) kept.push((data as { data: Uint8Array }).data[0] ?? -1);
    expect(kept).toEqual([6, 7, 8, 9]);
  });

  it('keeps at most 16 MiB of once-only values for a publisher, and the newest sticky ones', async () => {
    const returns = new Returns({ hasServer: false });
    for (const port of [6000, 6001]) returns.join(port);
    const changes = returns.changes();
    returns.set(6001, text(10));
    for (let index = 0; index < 10; index += 1) returns.push(6000, array(3_000_000, index));
    expect(returns.dropped).toBe(6);
    void changes.return();
    const kept: unknown[] = [];
    for await (const { mode, data } of changes)
      kept.push(mode === 'sticky' ? mode : data.kind === 'array' && data.array.data[0]);
    expect(kept).toEqual(['sticky', 6, 7, 8, 9]);
  });

  it('keeps a single item that is larger than the limit', async () => {
    const reader = new BoundedReader<string>(
      () => undefined,
      () => undefined,
      { maxBytes: 10 },
    );
    reader.add('small', 5);
    reader.add('large', 50);
    expect(await reader.next()).toEqual({ value: 'large', done: false });
    reader.add('a', 5);
    reader.add('b', 5);
    expect([await reader.next(), await reader.next()]).toEqual([
      { value: 'a', done: false },
      { value: 'b', done: false },
    ]);
  });
});

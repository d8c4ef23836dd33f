import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_REQUESTS, REQUEST_TIMEOUT_MS } from '../../../gateway/hub/control.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { DEFAULT_STREAM_POLICY, Stream } from '../../../gateway/hub/stream.ts';
import type { ControlAction, Value } from '../../../shared/protocol.ts';
import type { ControlStatus, GatewayEvent } from '../../../shared/status.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { Person } from '../../helpers/person.ts';
import { takeJson } from '../../helpers/take-json.ts';

const FIRST_PORT = 6000;
const SOURCE = { kind: 'push', address: '', state: '', lastError: null, restarts: 0 };

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const streams: Stream[] = [];
let events: EventLog;

function createStream(ports = 4): Stream {
  const stream = new Stream({
    policy: { ...DEFAULT_STREAM_POLICY, control: 'exclusive' },
    name: 'main',
    virtualPorts: [{ from: FIRST_PORT, to: FIRST_PORT + ports - 1 }],
    sourceTakesReturns: true,
    events,
    waitingReason: 'no frame yet',
    log: SILENT_LOGGER,
  });
  streams.push(stream);
  return stream;
}

const taken = ({ returns }: Stream): Record<string, Value> => JSON.parse(takeJson(returns)) as Record<string, Value>;

const statusOf = (stream: Stream): ControlStatus => stream.status(SOURCE).control!;

beforeEach(() => {
  vi.useFakeTimers();
  events = new EventLog();
});

afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  vi.useRealTimers();
});

describe('Control', () => {
  const three = (): readonly [Stream, Person, Person, Person] => {
    const stream = createStream();
    return [
      stream,
      new Person(stream, 'a', { name: 'front-desk' }),
      new Person(stream, 'b', { name: 'lab' }),
      new Person(stream, 'c'),
    ];
  };

  it('is free at first, when only a stop is admitted', () => {
    const [stream, a] = three();
    expect(statusOf(stream)).toEqual({
      port: null,
      client: null,
      name: null,
      since: null,
      requests: [],
      refused: 0,
    });
    expect(() => a.give({ drive: 1 })).toThrow(coded('no-control'));
    expect(taken(stream)).toEqual({ 6000: null, 6001: null, 6002: null });
    expect(statusOf(stream).refused).toBe(1);
  });

  it('is taken when it is free, announced to all, and not taken from its holder', () => {
    const [stream, a, b, c] = three();
    a.act('take');
    for (const { last } of [a, b, c]) expect(last?.view).toEqual({ port: 6000, name: 'front-desk', requests: [] });
    expect(() => b.act('take')).toThrow(coded('control-taken'));
    a.act('take');
    a.give({ drive: 1 });
    expect(() => b.give({ drive: 2 })).toThrow(coded('no-control'));
    expect(taken(stream)).toEqual({ 6000: { drive: 1 }, 6001: null, 6002: null });
    expect(statusOf(stream)).toMatchObject({ port: 6000, client: 'a', name: 'front-desk', refused: 1 });
  });

  it('is requested, visible to the holder and the requesting viewer, and refused', () => {
    const [, a, b, c] = three();
    a.act('take');
    const before = c.notifications.length;
    b.act('request');
    const request = { port: 6001, name: 'lab', remainingMs: REQUEST_TIMEOUT_MS };
    expect(a.last?.view.requests).toEqual([request]);
    expect(b.last?.view.requests).toEqual([request]);
    expect(c.notifications.length).toBe(before);
    a.act('refuse', 6001);
    expect(a.last?.view.requests).toEqual([]);
    expect(b.last).toMatchObject({ view: { port: 6000 }, notice: { code: 'request-refused' } });
    // The request has already ended.
    a.act('refuse', 6001);
    expect(() => c.act('refuse', 6001)).toThrow(coded('no-control'));
  });

  it('refuses a request that is not answered', () => {
    const [, a, b] = three();
    a.act('take');
    b.act('request');
    vi.advanceTimersByTime(REQUEST_TIMEOUT_MS - 1);
    expect(a.last?.view.requests).toHaveLength(1);
    b.act('request');
    vi.advanceTimersByTime(1);
    expect(a.last?.view).toEqual({ port: 6000, name: 'front-desk', requests: [] });
    expect(b.last).toMatchObject({ view: { port: 6000 }, notice: { code: 'request-unanswered' } });
  });

  it('is handed over to a port, and ends the data of the former holder first', () => {
    const [stream, a, b, c] = three();
    a.act('take');
    a.give({ drive: 1 });
    a.give({ horn: 1 }, { mode: 'once' });
    b.act('request');
    c.act('request');
    a.act('hand-over', 6001);
    expect(taken(stream)).toEqual({ 6000: null, 6001: null, 6002: null });
    expect(c.last).toMatchObject({ view: { port: 6001, requests: [] }, notice: { code: 'request-ended' } });
    expect(b.last).toMatchObject({ view: { port: 6001, name: 'lab', requests: [] }, notice: null });
    expect(() => a.give({ drive: 1 })).toThrow(coded('no-control'));
    b.give({ drive: 2 });
    expect(taken(stream)).toEqual({ 6000: null, 6001: { drive: 2 }, 6002: null });
    // Control is handed over to a viewer that has not requested it.
    b.act('hand-over', 6002);
    expect(c.last?.view.port).toBe(6002);
    expect(() => c.act('hand-over', 6003)).toThrow(coded('client-unknown'));
    expect(() => b.act('hand-over', 6000)).toThrow(coded('no-control'));
  });

  it('is released, to the oldest request if there is one', () => {
    const [, a, b, c] = three();
    a.act('take');
    a.act('release');
    expect(c.last?.view.port).toBeNull();
    a.act('release');
    // There is no holder.
    b.act('request');
    expect(c.last?.view.port).toBe(6001);
    c.act('request');
    a.act('request');
    b.act('release');
    expect(b.last?.view.port).toBe(6002);
    expect(a.last).toMatchObject({ notice: { code: 'request-ended' } });
  });

  it('withdraws a request with release', () => {
    const [, a, b] = three();
    a.act('take');
    b.act('request');
    b.act('release');
    expect(a.last?.view.requests).toEqual([]);
    expect(b.last).toEqual({ view: { port: 6000, name: 'front-desk', requests: [] }, notice: null });
    vi.advanceTimersByTime(REQUEST_TIMEOUT_MS);
    expect(b.last?.notice).toBeNull();
  });

  it('is lost with the connection, and does not return with the port', () => {
    const [stream, a, b, c] = three();
    a.act('take');
    a.give({ drive: 1 });
    b.act('request');
    a.leave();
    expect(taken(stream)).toEqual({ 6001: null, 6002: null });
    expect(b.last).toMatchObject({ view: { port: null, requests: [] }, notice: { code: 'request-ended' } });
    expect(c.last?.view.port).toBeNull();
    const again = new Person(stream, 'd', { leaseKey: a.leaseKey });
    expect(again.port).toBe(6000);
    expect(() => again.give({ drive: 1 })).toThrow(coded('no-control'));
    expect(statusOf(stream).port).toBeNull();
  });

  it('removes the request of a viewer that leaves', () => {
    const [stream, a, b] = three();
    a.act('take');
    // The bindings observe the end of their rights from the next iteration of the event loop on.
    vi.advanceTimersByTime(0);
    const timers = vi.getTimerCount();
    b.act('request');
    b.leave();
    expect(a.last?.view.requests).toEqual([]);
    expect(statusOf(stream).requests).toEqual([]);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('is taken away by an administrator', () => {
    const [stream, a, b] = three();
    expect(stream.control?.revoke()).toBeNull();
    a.act('take');
    a.give({ drive: 1 });
    b.act('request');
    expect(stream.control?.revoke()).toBe(a.binding);
    expect(a.last).toMatchObject({ view: { port: null }, notice: { code: 'control-revoked' } });
    expect(b.last).toMatchObject({ view: { port: null, requests: [] }, notice: { code: 'request-ended' } });
    expect(taken(stream)).toEqual({ 6000: null, 6001: null, 6002: null });
  });

  it('admits only an emergency stop, from any viewer, until it is withdrawn', () => {
    const [stream, a, b] = three();
    a.act('take');
    a.give({ drive: 1 });
    b.give({ drive: 2, stop: true }, { urgent: true });
    expect(taken(stream)).toEqual({ 6000: { drive: 1 }, 6001: { stop: true }, 6002: null });
    // Neither a reset, which only the holder may send, nor anything else.
    expect(() => b.give({ stop: false })).toThrow(coded('no-control'));
    expect(() => b.give(null, { mode: 'once' })).toThrow(coded('no-control'));
    expect(taken(stream)).toMatchObject({ 6001: { stop: true } });
    b.give(null);
    expect(taken(stream)).toMatchObject({ 6001: null });
  });

  it('keeps the stop of a viewer that loses control, but no other data', () => {
    const [stream, a] = three();
    a.act('take');
    a.give({ drive: 1 }, { mode: 'once' });
    a.give({ drive: 1, stop: true }, { urgent: true });
    a.act('hand-over', 6001);
    expect(taken(stream)).toEqual({ 6000: { stop: true }, 6001: null, 6002: null });
    a.leave();
    expect(taken(stream)).toEqual({ 6001: null, 6002: null });
  });

  it.each<[string, Value]>([
    ['a stop that is not true', { stop: 1 }],
    ['a stop deeper inside', { data: { stop: true } }],
    ['a list', [{ stop: true }]],
    ['an inherited stop', JSON.parse('{"__proto__": {"stop": true}}') as Value],
    ['text', 'stop'],
  ])('refuses %s', (_, value) => {
    const [, a] = three();
    expect(() => a.give(value, { urgent: true })).toThrow(coded('no-control'));
  });

  it('refuses control to spectators, and reports the holder to them', () => {
    const [stream, a] = three();
    const spectator = new Person(stream, 's', { spectate: true });
    for (const action of ['take', 'request'] as const) expect(() => spectator.act(action)).toThrow(coded('no-port'));
    a.act('take');
    expect(spectator.last?.view.port).toBe(6000);
    expect(() => a.act('hand-over', 0)).toThrow(coded('client-unknown'));
  });

  it('limits requests and changes of control', () => {
    // One address has half of the ports.
    const stream = createStream(40);
    const persons = Array.from({ length: 20 }, (_, index) => new Person(stream, `p${index}`));
    const [holder, ...others] = persons as [Person, ...Person[]];
    holder.act('take');
    for (const person of others.slice(0, MAX_REQUESTS)) person.act('request');
    expect(() => others[MAX_REQUESTS]?.act('request')).toThrow(coded('too-many'));
    const flicker = (): void => {
      for (let i = 0; i < 100; i += 1) {
        others[18]?.act('take');
        others[18]?.act('release');
      }
    };
    void stream.control?.revoke();
    expect(flicker).toThrow(coded('too-many'));
    // The holder can always release control.
    expect(stream.control?.status().port).toBeNull();
    vi.advanceTimersByTime(10_000);
    others[18]?.act('take');
  });

  it('reports each change of the holder as an event', async () => {
    const [, a] = three();
    a.act('take');
    a.act('hand-over', 6001);
    const reader = events.events();
    events.close();
    const seen: GatewayEvent[] = [];
    for await (const event of reader) if (event.kind === 'control') seen.push(event);
    expect(seen).toMatchObject([
      { client: 'a', port: 6000, address: 'front-desk (192.0.2.1)', reason: 'took control' },
      { client: 'a', port: 6000, reason: 'handed control over to lab (6001)' },
    ]);
  });
});

/** Actions of viewers, in any order. */
type Step =
  | { readonly kind: 'act'; readonly who: number; readonly action: ControlAction; readonly port: number }
  | { readonly kind: 'give'; readonly who: number; readonly value: Value; readonly mode: 'sticky' | 'once' }
  | { readonly kind: 'connect' | 'leave'; readonly who: number }
  | { readonly kind: 'revoke' }
  | { readonly kind: 'wait'; readonly ms: number };

describe('Control, with any order of actions', () => {
  const COUNT = 4;
  const who = fc.nat(COUNT - 1);
  const value = fc.oneof(
    fc.record({ drive: fc.nat(9) }),
    fc.constant({ drive: 7, stop: true }),
    fc.constant({ stop: false }),
    fc.constant(null),
  );
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('act' as const),
        who,
        action: fc.constantFrom('take', 'request', 'release', 'hand-over', 'refuse'),
        port: who.map((index) => FIRST_PORT + index),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('give' as const),
        who,
        value,
        mode: fc.constantFrom('sticky', 'once'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('connect', 'leave'), who }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'revoke' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1000, REQUEST_TIMEOUT_MS) }),
    },
  );

  it('has at most one holder, reported to all, and no refused data reaches the server', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const stream = createStream(COUNT);
        const persons: (Person | null)[] = Array.from({ length: COUNT }, () => null);
        const keys = new Map<number, string>();
        let ids = 0;
        const connect = (index: number): void => {
          if (persons[index] !== null) return;
          ids += 1;
          const leaseKey = keys.get(index);
          const person = new Person(stream, `web-${ids}`, {
            port: FIRST_PORT + index,
            ...(leaseKey === undefined ? {} : { leaseKey }),
          });
          keys.set(index, person.leaseKey);
          persons[index] = person;
        };
        for (let index = 0; index < COUNT; index += 1) connect(index);
        /** Possible values at the server by port: those that were accepted since its viewer got control. */
        const allowed = new Map<number, Set<string>>();
        const holders = (): Person[] =>
          persons.filter((person) => person !== null).filter(({ binding }) => stream.control!.isHolder(binding));
        for (const current of steps) {
          const before = holders()[0];
          const person = 'who' in current ? (persons[current.who] ?? null) : null;
          let isRefused = false;
          try {
            if (current.kind === 'connect') connect(current.who);
            else if (current.kind === 'leave') {
              person?.leave();
              persons[current.who] = null;
            } else if (current.kind === 'revoke') void stream.control?.revoke();
            else if (current.kind === 'wait') vi.advanceTimersByTime(current.ms);
            else if (current.kind === 'act') person?.act(current.action, current.port);
            else if (current.kind === 'give') person?.give(current.value, { mode: current.mode });
          } catch (error) {
            expect(error).toMatchObject({ name: 'GearwayError' });
            isRefused = true;
          }
          const [holder, ...more] = holders();
          expect(more).toEqual([]);
          if (holder !== before) allowed.clear();
          if (current.kind === 'give' && person !== null) {
            const isHolder = person === before;
            const isStop = (current.value as { stop?: unknown } | null)?.stop === true;
            const isEnd = current.value === null && current.mode === 'sticky';
            expect(isRefused).toBe(!isHolder && !isStop && !isEnd);
            if (isHolder) {
              const known = allowed.get(person.port) ?? new Set();
              allowed.set(person.port, known.add(JSON.stringify(current.value)));
            }
          }
          for (const each of persons) {
            if (each === null || each.notifications.length === 0) continue;
            expect(each.last?.view).toMatchObject({ port: holder?.port ?? null });
          }
          expect(statusOf(stream).port).toBe(holder?.port ?? null);
          const returned = taken(stream);
          for (const [port, data] of Object.entries(returned)) {
            const text = JSON.stringify(data);
            const isFree = data === null || text === '{"stop":true}';
            expect(isFree || (Number(port) === holder?.port && allowed.get(Number(port))?.has(text))).toBe(true);
          }
        }
        stream.close();
      }),
      { numRuns: 300 },
    );
  });
});

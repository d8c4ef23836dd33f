import { describe, expect, it } from 'vitest';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import type { GatewayEvent } from '../../../shared/status.ts';

const EVENT = {
  kind: 'connect',
  stream: 'main',
  client: 'web-1',
  port: 6000,
  address: '127.0.0.1',
  reason: 'assigned port 6000',
} as const;

async function read(events: AsyncIterableIterator<GatewayEvent>, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i += 1) ids.push(((await events.next()).value as GatewayEvent).id);
  return ids;
}

describe('EventLog', () => {
  it('numbers and dates events, and returns the stored ones, then each new one', async () => {
    const log = new EventLog();
    log.add(EVENT);
    const events = log.events();
    expect((await events.next()).value).toEqual({
      id: 1,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      ...EVENT,
    });
    const next = events.next();
    log.add(EVENT);
    expect((await next).value).toMatchObject({ id: 2 });
  });

  it('continues after the event with a given id, or from the beginning for an id from before a restart', async () => {
    const log = new EventLog();
    for (let i = 0; i < 5; i += 1) log.add(EVENT);
    expect(await read(log.events(3), 2)).toEqual([4, 5]);
    expect(await read(log.events(99), 5)).toEqual([1, 2, 3, 4, 5]);
  });

  it('keeps 256 events', async () => {
    const log = new EventLog();
    for (let i = 0; i < 257; i += 1) log.add(EVENT);
    expect((await read(log.events(), 256)).slice(0, 1)).toEqual([2]);
  });

  it('keeps 64 refusals separately: a flood of refusals displaces nothing else, and is replayed in order', async () => {
    const log = new EventLog();
    log.add(EVENT);
    for (let i = 0; i < 1000; i += 1) log.add({ ...EVENT, kind: 'refuse', client: null, port: null, reason: 'no' });
    log.add(EVENT);
    const ids = await read(log.events(), 66);
    expect([ids[0], ids[1], ids.at(-2), ids.at(-1)]).toEqual([1, 938, 1001, 1002]);
    expect(await read(log.events(1000), 2)).toEqual([1001, 1002]);
  });

  it('returns all stored events to a new reader when both lists are full', async () => {
    const log = new EventLog();
    for (let i = 0; i < 256; i += 1) log.add(EVENT);
    for (let i = 0; i < 64; i += 1) log.add({ ...EVENT, kind: 'refuse' });
    expect(await read(log.events(), 320)).toEqual(Array.from({ length: 320 }, (_, index) => index + 1));
  });

  it('ends all readers on close, and a single reader on return', async () => {
    const log = new EventLog();
    const [first, second] = [log.events(), log.events()];
    await first.return?.();
    log.add(EVENT);
    expect(await first.next()).toEqual({ value: undefined, done: true });
    expect(await read(second, 1)).toEqual([1]);
    const waiting = second.next();
    log.close();
    expect((await waiting).done).toBe(true);
    expect(await read(log.events(), 1)).toEqual([1]);
  });
});

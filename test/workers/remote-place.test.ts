import { beforeEach, describe, expect, it } from 'vitest';
import type { Admission, ViewerEnd } from '../../gateway/clients/place.ts';
import type { Rendition } from '../../gateway/clients/renditions.ts';
import type { ToMain } from '../../gateway/workers/messages.ts';
import { MirroredStream } from '../../gateway/workers/mirrored-stream.ts';
import { RemotePlace } from '../../gateway/workers/remote-place.ts';

const ADMISSION: Admission = { admitted: true, port: 6000, leaseKey: 'key', spectatorReason: null, rights: ['view', 'return'], mayReturn: true };
const VALUE = { kind: 'value', value: 1, json: '1' } as const;

describe('RemotePlace', () => {
  let sent: ToMain[];
  let stream: MirroredStream;
  let place: RemotePlace;
  let offered: number[];
  let end: ViewerEnd<Rendition>;

  beforeEach(() => {
    sent = [];
    offered = [];
    stream = new MirroredStream({ name: 'main', state: 'live', reason: 'frames arrive' }, () => undefined);
    place = new RemotePlace({ id: 'web-1', stream, send: (message) => void sent.push(message), onWants: () => undefined });
    end = { offer: ({ sequence }) => void offered.push(sequence), streamChanged: () => undefined, figures: () => { throw new Error('nobody asks'); }, close: () => undefined, closed: Promise.resolve() };
  });

  async function enter(admission: Admission = ADMISSION): Promise<void> {
    const answer = place.enter(end, { type: 'hello' });
    place.admitted({ type: 'admission', viewer: 'web-1', admission });
    expect(await answer).toBe(admission);
  }

  const frame = (sequence: number): void => stream.frame(null, { sequence, begin: new Uint8Array(0), payload: new Uint8Array(0) }, undefined);

  it('is offered frames once it is admitted, and none when it has left', async () => {
    frame(1);
    await enter();
    frame(2);
    place.leave('disconnect', 'the viewer left');
    place.leave('disconnect', 'again');
    frame(3);
    expect(offered).toEqual([2]);
    expect(sent).toEqual([
      { type: 'hello', viewer: 'web-1', hello: { type: 'hello' } },
      { type: 'left', viewer: 'web-1', kind: 'disconnect', reason: 'the viewer left' },
    ]);
  });

  it('is offered none when it is refused, or has left meanwhile', async () => {
    await enter({ admitted: false, closeCode: 4002, reason: 'taken' });
    const other = new RemotePlace({ id: 'web-2', stream, send: () => undefined, onWants: () => undefined });
    const answer = other.enter(end, { type: 'hello' });
    other.leave('disconnect', 'the viewer left');
    other.admitted({ type: 'admission', viewer: 'web-2', admission: ADMISSION });
    await answer;
    frame(1);
    expect(offered).toEqual([]);
  });

  it('settles what it gives by the answers to it', async () => {
    await enter();
    const first = place.give(VALUE, 'once', undefined);
    const second = place.give(VALUE, 'sticky', 500);
    expect(sent.slice(1)).toEqual([
      { type: 'return', viewer: 'web-1', id: 1, mode: 'once', ttlMs: undefined, data: VALUE },
      { type: 'return', viewer: 'web-1', id: 2, mode: 'sticky', ttlMs: 500, data: VALUE },
    ]);
    place.returned({ type: 'returned', viewer: 'web-1', id: 1, refusal: { code: 'too-many', message: 'send fewer' } });
    place.returned({ type: 'returned', viewer: 'web-1', id: 2, refusal: null });
    await expect(first).rejects.toMatchObject({ code: 'too-many', message: 'send fewer' });
    expect(await second).toBeUndefined();
  });

  it('refuses what would make more than 32 MiB unanswered', async () => {
    await enter();
    const array = (bytes: number) => ({ kind: 'array', array: { dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes) } }) as const;
    const half = 16 << 20;
    void place.give(array(half), 'sticky', undefined);
    void place.give(array(half), 'sticky', undefined);
    expect(() => place.give(array(1), 'sticky', undefined)).toThrow(expect.objectContaining({ code: 'too-many' }));
    place.returned({ type: 'returned', viewer: 'web-1', id: 1, refusal: null });
    void place.give(array(half), 'sticky', undefined);
    expect(() => place.give(array(1), 'sticky', undefined)).toThrow(expect.objectContaining({ code: 'too-many' }));
  });
});

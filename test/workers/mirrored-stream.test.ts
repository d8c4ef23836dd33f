import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ViewerEnd } from '../../gateway/clients/place.ts';
import type { Rendition } from '../../gateway/clients/renditions.ts';
import type { FormsWanted } from '../../gateway/workers/messages.ts';
import { MirroredStream, type MirrorViewer } from '../../gateway/workers/mirrored-stream.ts';

const frame = (sequence: number): Rendition => ({ sequence, begin: new Uint8Array(0), payload: new Uint8Array(0) });

function createViewer(raw = false): MirrorViewer & { readonly frames: number[]; readonly states: string[] } {
  const frames: number[] = [];
  const states: string[] = [];
  const end: ViewerEnd<Rendition> = {
    offer: ({ sequence }) => void frames.push(sequence),
    streamChanged: (state) => void states.push(state),
    figures: () => { throw new Error('nobody asks'); },
    close: () => undefined,
    closed: Promise.resolve(),
  };
  return { end, wants: { paused: false, raw }, offered: 0, frames, states };
}

describe('MirroredStream', () => {
  const onWanted = vi.fn<(wanted: FormsWanted) => void>();
  let stream: MirroredStream;

  beforeEach(() => {
    onWanted.mockClear();
    stream = new MirroredStream({ name: 'main', state: 'waiting', reason: 'no frame yet' }, onWanted);
  });

  it('asks for the forms that somebody takes, once', () => {
    const [one, two, three] = [createViewer(), createViewer(), createViewer(true)];
    for (const viewer of [one, two, three]) stream.add(viewer);
    one.wants = { paused: true, raw: false };
    stream.wantsChanged();
    stream.delete(two);
    stream.delete(three);
    stream.delete(one);
    expect(onWanted.mock.calls.map(([wanted]) => wanted)).toEqual([
      { jpeg: true, raw: false },
      { jpeg: true, raw: true },
      { jpeg: false, raw: true },
      { jpeg: false, raw: false },
    ]);
  });

  it('offers each viewer the form that it takes, and all of them what is the same for all', () => {
    const [one, two] = [createViewer(), createViewer(true)];
    stream.add(one);
    stream.add(two);
    stream.frame('raw', frame(1), 10);
    stream.frame('jpeg', frame(1), 10);
    stream.frame('raw', frame(2), 10);
    stream.frame(null, frame(3), 20);
    expect([one.frames, two.frames]).toEqual([[1, 3], [1, 2, 3]]);
    expect(stream).toMatchObject({ frameTimeMs: 20, latestSequence: 3 });
  });

  it('offers nobody a frame twice, nor an older one after a newer', () => {
    const [one, two] = [createViewer(), createViewer(true)];
    stream.add(two);
    stream.frame(null, frame(4), undefined);
    // Another form comes to be wanted, and the latest frame once more.
    stream.add(one);
    stream.frame(null, frame(4), undefined);
    expect([one.frames, two.frames]).toEqual([[4], [4]]);
    stream.frame('raw', frame(6), undefined);
    two.wants = { paused: false, raw: false };
    stream.wantsChanged();
    stream.frame('jpeg', frame(5), undefined);
    stream.frame('jpeg', frame(7), undefined);
    expect([one.frames, two.frames]).toEqual([[4, 5, 7], [4, 6, 7]]);
  });

  it('keeps the latest of the forms that are wanted, and the number of the last', () => {
    const [one, two] = [createViewer(), createViewer(true)];
    stream.add(one);
    stream.add(two);
    stream.frame(null, frame(1), undefined);
    expect([stream.latest('jpeg'), stream.latest('raw')]).toMatchObject([{ sequence: 1 }, { sequence: 1 }]);
    one.wants = { paused: true, raw: false };
    stream.wantsChanged();
    stream.frame('raw', frame(2), undefined);
    expect([stream.latest('jpeg'), stream.latest('raw')]).toMatchObject([null, { sequence: 2 }]);
    stream.delete(two);
    // It was on its way when the last viewer left.
    stream.frame('raw', frame(3), undefined);
    expect([stream.latest('jpeg'), stream.latest('raw'), stream.latestSequence]).toEqual([null, null, 3]);
  });

  it('tells viewers of the stream, those that pause too', () => {
    const viewer = createViewer();
    viewer.wants = { paused: true, raw: false };
    stream.add(viewer);
    stream.changed('live', 'frames arrive');
    expect(viewer.states).toEqual(['live']);
    expect(stream).toMatchObject({ state: 'live', reason: 'frames arrive' });
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FrameMessage, Value } from '../../../../shared/protocol.ts';
import { OverlaySession } from '../../../../web/viewer/overlays/overlay-session.ts';
import type { OverlayEvent } from '../../../../web/viewer/overlays/overlay-commands.ts';
import { Painter, type Surface } from '../../../../web/viewer/painter.ts';

/** The start of a PNG file of 1 by 1 pixels. */
const MASK = {
  mask: { png: Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex').toString('base64') },
};
const BOX = { box: [1, 1, 5, 5] };
const VIEW = {
  placement: {
    boxWidth: 8,
    boxHeight: 8,
    width: 8,
    height: 8,
    fit: 'contain',
    quarterTurns: 0,
    mirror: false,
    zoom: 1,
    x: 0,
    y: 0,
  },
  pixelRatio: 1,
  chip: null,
} as const;

let decodes: (() => void)[] = [];
let open: Set<string>;
let shown: number[];
let events: OverlayEvent[];
let session: OverlaySession;

function closable(name: string): { close(): void } {
  open.add(name);
  return { close: () => void open.delete(name) };
}

/** A context that accepts every call. */
function fakeContext(): unknown {
  const image = { data: new Uint8ClampedArray(4) };
  const results: Readonly<Record<string | symbol, unknown>> = {
    measureText: { width: 1 },
    createImageData: image,
    getImageData: image,
  };
  const canvas = { width: 8, height: 8 };
  return new Proxy({}, { get: (_, name) => (name === 'canvas' ? canvas : () => results[name]), set: () => true });
}

function settings(hasCallback: boolean, classes: readonly string[] | null = null): void {
  session.command({ kind: 'settings', settings: { path: '', classes, minScore: 0, hasCallback } });
}

function present(sequence: number, overlay: readonly unknown[] | null, kind: 'jpeg' | 'h264' = 'jpeg'): void {
  const frame = {
    type: 'frame',
    sequence,
    width: 8,
    height: 8,
    encoding: { kind },
    message: { overlay } as unknown as Value,
  } as FrameMessage;
  const picture = {
    ...closable(`picture ${sequence}`),
    clone: () => ({ copyOf: sequence, ...closable(`copy ${sequence}`) }),
  };
  session.present(
    frame,
    { source: picture as unknown as VideoFrame, width: 8, height: 8, close: () => picture.close() },
    () => shown.push(sequence),
  );
}

async function decodeMasks(): Promise<void> {
  for (const decode of decodes.splice(0)) decode();
  await new Promise((resolve) => setTimeout(resolve));
}

beforeEach(() => {
  [decodes, open, shown, events] = [[], new Set(), [], []];
  let masks = 0;
  vi.stubGlobal('ImageData', class {});
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      getContext = fakeContext;
    },
  );
  vi.stubGlobal(
    'createImageBitmap',
    () => new Promise((resolve) => decodes.push(() => resolve(closable(`mask ${(masks += 1)}`)))),
  );
  // As in a worker of Firefox, a canvas provides its context only once.
  const getContext = vi.fn(() => {
    throw new Error('the canvas has already provided its context');
  });
  getContext.mockImplementationOnce(fakeContext as () => never);
  const surface = { width: 8, height: 8, getContext } as unknown as Surface;
  session = new OverlaySession(surface, new Painter(surface), (event) => events.push(event));
  session.command({ kind: 'view', view: VIEW });
  settings(false);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('OverlaySession', () => {
  it('closes masks that a filter excludes, and each picture with the next one', async () => {
    settings(false, ['car']);
    present(1, [MASK]);
    await decodeMasks();
    expect([shown, [...open]]).toEqual([[1], ['picture 1', 'mask 1']]);
    present(2, [BOX]);
    expect([shown, [...open]]).toEqual([[1, 2], ['picture 2']]);
    session.close();
    expect([...open]).toEqual([]);
  });

  it('closes masks that are decoded after the end', async () => {
    present(1, [MASK]);
    session.close();
    await decodeMasks();
    expect([shown, [...open]]).toEqual([[], []]);
  });

  it('finishes a frame only when it is drawn, even if the page is still acknowledging the previous one', async () => {
    settings(true);
    present(1, []);
    present(2, [MASK]);
    expect(events.map(({ kind }) => kind)).toEqual(['picture']);
    settings(false);
    session.command({ kind: 'presented' });
    expect(shown).toEqual([1]);
    await decodeMasks();
    expect(shown).toEqual([1, 2]);
  });

  it('does not close a picture that the page draws itself', () => {
    settings(true);
    present(1, []);
    session.close();
    expect([...open]).toEqual(['picture 1']);
  });

  it('has the last H.264 picture without its overlay, for snapshots', () => {
    present(1, null, 'h264');
    expect(session.source).toBeNull();
    present(2, [BOX], 'h264');
    expect([...open]).toEqual(['picture 2']);
    expect(session.source).not.toBeNull();
    settings(true);
    present(3, [], 'h264');
    session.command({ kind: 'presented' });
    expect(session.source).toMatchObject({ copyOf: 3 });
    present(4, [], 'h264');
    expect(session.source).toMatchObject({ copyOf: 3 });
    session.close();
    // The page owns these.
    expect([...open]).toEqual(['picture 3', 'picture 4']);
  });

  it('reports labels that were not drawn in time', () => {
    vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValueOnce(0).mockReturnValue(40);
    present(1, [{ ...BOX, label: 'box' }]);
    expect(events.at(-1)).toEqual({
      kind: 'problem',
      problem: 'only 1 of 1 objects, and the labels of 0, were drawn in 30 ms',
    });
  });

  it('draws the valid part of an overlay, and continues with the next frame', () => {
    vi.stubGlobal(
      'ImageData',
      class {
        constructor() {
          throw new RangeError('too large');
        }
      },
    );
    present(1, [{ mask: { size: [1, 1], counts: [0, 1] } }, BOX]);
    expect([shown, events]).toEqual([
      [1],
      [{ kind: 'composing' }, { kind: 'problem', problem: '1 objects could not be drawn: too large' }],
    ]);
    present(2, [BOX]);
    expect(shown).toEqual([1, 2]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ShownFrame } from '../../../../web/viewer/overlays/overlay-commands.ts';
import { OverlayHost } from '../../../../web/viewer/overlays/overlay-host.ts';

const FRAME: ShownFrame = { sequence: 1, width: 8, height: 8, message: null };

let isPictureOpen: boolean;
let answers: number;
let host: OverlayHost;

const picture = (): void => {
  isPictureOpen = true;
  host.event({
    kind: 'picture',
    frame: FRAME,
    source: { close: () => (isPictureOpen = false) } as unknown as ImageBitmap,
  });
};
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  vi.stubGlobal('ShadowRoot', class {});
  vi.stubGlobal(
    'CSSStyleSheet',
    class {
      replaceSync(): void {}
    },
  );
  vi.stubGlobal('document', {
    createElement: () => ({ setAttribute: () => undefined, remove: () => undefined, getContext: () => null }),
  });
  const box = {
    getRootNode: () => null,
    append: () => undefined,
    classList: { add: () => undefined, remove: () => undefined },
  };
  answers = 0;
  host = new OverlayHost(
    box as unknown as HTMLElement,
    ({ kind }) => void (answers += Number(kind === 'presented')),
    () => undefined,
  );
  host.setOptions({ path: null, classes: null, minScore: 0, callback: () => undefined });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('OverlayHost', () => {
  it('keeps the last picture for a redraw, until the session ends', async () => {
    picture();
    await settle();
    expect([isPictureOpen, answers]).toEqual([true, 1]);
    host.closed();
    expect(isPictureOpen).toBe(false);
  });

  it('closes a picture that arrives after the session has ended, or just before', async () => {
    picture();
    host.closed();
    await settle();
    expect(isPictureOpen).toBe(false);
    picture();
    await settle();
    expect(isPictureOpen).toBe(false);
  });
});

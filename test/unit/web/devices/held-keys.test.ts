import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FIRST_REPEAT_MS, HeldKeys, keyName, NEXT_REPEAT_MS } from '../../../../web/devices/held-keys.ts';

const W = { code: 'KeyW', key: 'w', repeat: false };
const D = { code: 'KeyD', key: 'd', repeat: false };
const repeated = (press: typeof W): typeof W => ({ ...press, repeat: true });

describe('HeldKeys', () => {
  const onLost = vi.fn<() => void>();
  let keys: HeldKeys;
  beforeEach(() => {
    vi.useFakeTimers();
    onLost.mockReset();
    keys = new HeldKeys(onLost);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('reports the pressed keys', () => {
    expect(keys.down(W)).toBe(true);
    expect(keys.down(D)).toBe(true);
    expect([...keys.names]).toEqual(['w', 'd']);
    expect(keys.up(W)).toBe(true);
    expect(keys.up(W)).toBe(false);
    expect([...keys.names]).toEqual(['d']);
    expect(keys.isEmpty).toBe(false);
  });

  it('recognizes a release under another name', () => {
    keys.down({ code: 'Digit1', key: '!', repeat: false });
    expect(keys.up({ code: 'Digit1', key: '1', repeat: false })).toBe(true);
    expect(keys.isEmpty).toBe(true);
  });

  it('treats a key as pressed only while the system repeats it', () => {
    keys.down(W);
    vi.advanceTimersByTime(FIRST_REPEAT_MS - 1);
    keys.down(repeated(W));
    vi.advanceTimersByTime(NEXT_REPEAT_MS - 1);
    keys.down(repeated(W));
    vi.advanceTimersByTime(NEXT_REPEAT_MS - 1);
    expect(keys.isEmpty).toBe(false);
    expect(onLost).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(keys.isEmpty).toBe(true);
    expect(onLost).toHaveBeenCalledOnce();
  });

  it('releases all keys with the one that the system repeats', () => {
    keys.down(W);
    keys.down(D);
    vi.advanceTimersByTime(FIRST_REPEAT_MS);
    expect(keys.isEmpty).toBe(true);
  });

  it('treats the other keys as pressed after a release, although the system does not repeat them', () => {
    keys.down(W);
    keys.down(D);
    keys.up(D);
    vi.advanceTimersByTime(60_000);
    expect([...keys.names]).toEqual(['w']);
  });

  it('treats a key as pressed again if it is repeated after it counted as released', () => {
    keys.down(W);
    vi.advanceTimersByTime(FIRST_REPEAT_MS);
    expect(keys.down(repeated(W))).toBe(true);
    expect([...keys.names]).toEqual(['w']);
  });

  it('does not treat a released key as pressed again because of a repetition', () => {
    keys.down(W);
    keys.clear();
    expect(keys.down(repeated(W))).toBe(false);
    expect(keys.isEmpty).toBe(true);
    expect(keys.down(W)).toBe(true);
  });

  it('requires no repetitions if the system has none', () => {
    keys.down(W, false);
    vi.advanceTimersByTime(60_000);
    expect(keys.isEmpty).toBe(false);
  });
});

describe('keyName', () => {
  it.each([
    [' ', 'space'],
    ['W', 'w'],
    ['ArrowUp', 'arrowup'],
  ])('of %j is %j', (key, name) => {
    expect(keyName(key)).toBe(name);
  });
});

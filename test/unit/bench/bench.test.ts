import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { alternate } from '../../bench/bench.ts';
import { median, NoValuesError, percentile, requireFrames } from '../../bench/statistics.ts';

describe('alternate', () => {
  const written: string[] = [];
  beforeEach(() => {
    written.length = 0;
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    ['a median', (frames: readonly number[]) => median(frames)],
    ['a percentile', (frames: readonly number[]) => percentile(frames, 0.95)],
    [
      'a figure per frame',
      (frames: readonly number[]) => {
        requireFrames(frames.length);
        return frames.reduce((sum, frame) => sum + frame, 0) / frames.length;
      },
    ],
  ])('repeats a measurement of %s until it has seen a frame, and reports that', async (_, figure) => {
    const seen = [[], [], [7], [], [9]];
    const measured = await alternate(2, {
      empty: async () => figure(seen.shift() ?? [11]),
      other: async () => 1,
    });
    // The first round is a warm-up.
    expect(measured).toEqual({ empty: [9, 11], other: [1, 1] });
    expect(written).toHaveLength(3);
    expect(written.join('')).toContain('empty');
  });

  it('fails with the name of a measurement that never sees a frame', async () => {
    const measure = vi.fn(async () => median([]));
    const failed = alternate(1, { broken: measure });
    await expect(failed).rejects.toThrow('broken');
    await expect(failed).rejects.toMatchObject({ cause: expect.any(NoValuesError) });
    expect(measure.mock.calls.length).toBe(written.length + 1);
  });

  it('does not repeat a measurement that fails for another reason', async () => {
    const measure = vi.fn(async () => {
      throw new Error('the gateway has ended');
    });
    await expect(alternate(1, { broken: measure })).rejects.toThrow('the gateway has ended');
    expect(measure).toHaveBeenCalledOnce();
  });
});

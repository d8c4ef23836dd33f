import { describe, expect, it } from 'vitest';
import {
  expectedBytes,
  jpegInstead,
  ladder,
  type LadderOptions,
  stepLabel,
  stepName,
  type VideoStep,
} from '../../../gateway/renditions/ladder.ts';
import { StepSizes } from '../../../gateway/renditions/step-sizes.ts';

const HD: LadderOptions = { quality: 'auto', width: 1280, height: 720, shownWidth: 0, shownHeight: 0 };
const names = (options: Partial<LadderOptions>): string[] => ladder({ ...HD, ...options }).map(stepName);

describe('ladder', () => {
  it('begins with the source, and ends where pictures are too small to be useful', () => {
    expect(names({})).toEqual(['source', 'jpeg-1-60', 'jpeg-2-75', 'jpeg-2-50', 'jpeg-4-70', 'jpeg-4-45']);
    expect(names({ width: 320, height: 240 })).toEqual(['source', 'jpeg-1-60', 'jpeg-2-75', 'jpeg-2-50']);
    expect(names({ width: 3840, height: 2160 }).at(-1)).toBe('jpeg-8-45');
    expect(names({ width: 64, height: 48 })).toEqual(['source']);
  });

  it('consists of the steps that the quality allows', () => {
    expect(names({ quality: 'source' })).toEqual(['source']);
    expect(names({ quality: 'half' })).toEqual(['jpeg-2-75', 'jpeg-2-50', 'jpeg-4-70', 'jpeg-4-45']);
    expect(names({ quality: 'quarter' })).toEqual(['jpeg-4-70', 'jpeg-4-45']);
    expect(names({ quality: 'quarter', width: 64, height: 48 })).toEqual(['source']);
  });

  it('has no rendition with more pixels than are shown, except the source', () => {
    expect(names({ shownWidth: 640, shownHeight: 360 })).toEqual([
      'source',
      'jpeg-2-75',
      'jpeg-2-50',
      'jpeg-4-70',
      'jpeg-4-45',
    ]);
    expect(names({ shownWidth: 641, shownHeight: 361 })).toContain('jpeg-1-60');
    expect(names({ shownWidth: 10, shownHeight: 10 })).toEqual(['source', 'jpeg-4-45']);
  });

  it('consists of H.264 for viewers that decode it', () => {
    expect(names({ hasVideo: true })).toEqual(['source', 'h264-1-2490', 'h264-2-1110', 'h264-2-550', 'h264-4-240']);
    expect(names({ hasVideo: true, quality: 'quarter' })).toEqual(['h264-4-240']);
    expect(names({ hasVideo: true, shownWidth: 320, shownHeight: 180 })).toEqual(['source', 'h264-4-240']);
  });

  it('has no H.264 of pictures that are too large for decoders, and take gigabytes to encode', () => {
    const divisors = (width: number, height: number): string[] =>
      names({ width, height, hasVideo: true }).map((name) => name.split('-', 2).join('-'));
    expect(divisors(3840, 2160)).toContain('h264-1');
    expect(divisors(4096, 2304)).toContain('h264-1');
    expect(divisors(4096, 2305)).toEqual(['source', 'h264-2', 'h264-2', 'h264-4']);
    for (const [width, height] of [
      [8192, 8192],
      [16_384, 4096],
    ] as const)
      expect(divisors(width, height)).toEqual(['source', 'h264-4']);
  });

  it('needs fewer bits from step to step', () => {
    const bytes = ladder({ ...HD, width: 3840, height: 2160 }).map((step) => expectedBytes(step, 1e6));
    expect(bytes).toEqual(bytes.toSorted((a, b) => b - a));
  });
});

describe('stepLabel', () => {
  it('contains size and quality', () => {
    expect(stepLabel({ kind: 'jpeg', divisor: 2, quality: 50 }, { width: 641, height: 360 })).toBe('JPEG 321×180 q50');
    expect(stepLabel({ kind: 'h264', divisor: 2, bitsPerSecond: 1e6 }, { width: 643, height: 359 })).toBe(
      'H.264 322×180',
    );
    expect(stepLabel({ kind: 'source' }, { width: 640, height: 360 })).toBe('source 640×360');
  });
});

describe('jpegInstead', () => {
  const bytes = (step: Parameters<typeof expectedBytes>[0]): number => expectedBytes(step, 100_000);

  it('is the largest JPEG that needs no more bits than the H.264, and is no larger', () => {
    for (const bitsPerSecond of [8e6, 3e6, 1.5e6]) {
      const step: VideoStep = { kind: 'h264', divisor: 2, bitsPerSecond };
      const instead = jpegInstead(step, HD, 30, bytes);
      expect(bytes(instead) * 8 * 30).toBeLessThanOrEqual(bitsPerSecond);
      expect(instead.divisor).toBeGreaterThanOrEqual(2);
    }
    expect(jpegInstead({ kind: 'h264', divisor: 1, bitsPerSecond: 1000 }, HD, 30, bytes)).toEqual({
      kind: 'jpeg',
      divisor: 4,
      quality: 45,
    });
  });
});

describe('StepSizes', () => {
  const step = { kind: 'jpeg', divisor: 2, quality: 50 } as const;

  it('estimates a step from the source until it is measured, and again when the measurement is old', () => {
    const sizes = new StepSizes();
    expect(sizes.bytes(step, 0)).toBe(0);
    sizes.note({ kind: 'source' }, 100_000, 0);
    expect(sizes.bytes(step, 0)).toBe(expectedBytes(step, 100_000));
    sizes.note(step, 20_000, 0);
    expect(sizes.bytes(step, 10_000)).toBe(20_000);
    expect(sizes.bytes(step, 10_001)).toBe(expectedBytes(step, 100_000));
  });

  it('follows the sizes of frames slowly', () => {
    const sizes = new StepSizes();
    sizes.note(step, 8000, 0);
    sizes.note(step, 16_000, 33);
    expect(sizes.bytes(step, 66)).toBe(9000);
  });
});

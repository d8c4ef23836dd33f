import { describe, expect, it } from 'vitest';
import { type Gray, ssim } from '../../bench/ssim.ts';

const [width, height] = [40, 30];

const picture = (value: (x: number, y: number) => number): Gray => ({
  data: Uint8Array.from({ length: width * height }, (_, at) => value(at % width, Math.floor(at / width))),
  width,
  height,
});

describe('ssim', () => {
  const scene = picture((x, y) => (x * 37 + y * y * 11) % 256);

  it('is 1 for equal pictures', () => {
    expect(ssim(scene, scene)).toBeCloseTo(1, 10);
  });

  it('compares only the means of pictures without structure', () => {
    const c1 = (0.01 * 255) ** 2;
    const expected = (2 * 100 * 120 + c1) / (100 ** 2 + 120 ** 2 + c1);
    expect(
      ssim(
        picture(() => 100),
        picture(() => 120),
      ),
    ).toBeCloseTo(expected, 10);
  });

  it('is near -1 for an inverted structure, and falls with the difference', () => {
    const checks = picture((x, y) => ((x + y) % 2 === 0 ? 28 : 228));
    expect(
      ssim(
        checks,
        picture((x, y) => ((x + y) % 2 === 0 ? 228 : 28)),
      ),
    ).toBeLessThan(-0.9);
    const blurred = (part: number): Gray => picture((x, y) => (1 - part) * ((x + y) % 2 === 0 ? 28 : 228) + part * 128);
    expect(ssim(checks, blurred(0.2))).toBeGreaterThan(ssim(checks, blurred(0.8)));
  });

  it('agrees with the formula over the GaussianBlur of OpenCV, for a picture with noise', () => {
    const noisy = picture((x, y) => Math.min(255, ((x * 37 + y * y * 11) % 256) + ((x * 7 + y * 13) % 17)));
    expect(ssim(scene, noisy)).toBeCloseTo(0.995966, 5);
  });

  it('refuses pictures of different sizes', () => {
    expect(() => ssim(scene, { data: scene.data, width: height, height: width })).toThrow(RangeError);
  });
});

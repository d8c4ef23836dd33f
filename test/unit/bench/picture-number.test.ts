import jpegTurbo from '@julusian/jpeg-turbo';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { burnNumber, NUMBERS, readNumber } from '../../bench/picture-number.ts';

const WIDTH = 640;
const HEIGHT = 360;

async function asGray(samples: Uint8Array, quality = 60): Promise<Uint8Array> {
  const jpeg = await encodeJpeg({ data: samples, width: WIDTH, height: HEIGHT, channels: 3 }, quality);
  return jpegTurbo.decompressSync(jpeg, { format: jpegTurbo.FORMAT_GRAY }).data;
}

const noise = (): Uint8Array => Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, index) => (index * 7919) % 251);

describe('readNumber', () => {
  it.each([0, 1, 1234, NUMBERS - 1])('reads %d after JPEG compression', async (number) => {
    const samples = noise();
    burnNumber(samples, WIDTH, HEIGHT, number);
    expect(readNumber(await asGray(samples), WIDTH, HEIGHT)).toBe(number);
  });

  it('wraps numbers beyond the last one', async () => {
    const samples = noise();
    burnNumber(samples, WIDTH, HEIGHT, NUMBERS + 5);
    expect(readNumber(await asGray(samples), WIDTH, HEIGHT)).toBe(5);
  });

  it.each([
    ['an empty page', () => new Uint8Array(WIDTH * HEIGHT).fill(255)],
    ['a black page', () => new Uint8Array(WIDTH * HEIGHT)],
    ['a gray page', () => new Uint8Array(WIDTH * HEIGHT).fill(120)],
  ])('finds no number in %s', (_name, make) => {
    expect(readNumber(make(), WIDTH, HEIGHT)).toBeNull();
  });

  it('finds no number in two mixed pictures', () => {
    const [one, other] = [noise(), noise()];
    burnNumber(one, WIDTH, HEIGHT, 0b1010);
    burnNumber(other, WIDTH, HEIGHT, 0b0101);
    const mixed = Uint8Array.from(
      { length: WIDTH * HEIGHT },
      (_, pixel) => ((one[pixel * 3] ?? 0) + (other[pixel * 3] ?? 0)) / 2,
    );
    expect(readNumber(mixed, WIDTH, HEIGHT)).toBeNull();
  });
});

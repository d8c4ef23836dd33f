import { describe, expect, it } from 'vitest';
import { isBaselineJpeg, unusualJpegKind } from '../../../shared/jpeg-kind.ts';

const APP0 = [0xff, 0xe0, 0, 4, 1, 2];

const jpeg = (marker: number, bits = 8, before: readonly number[] = APP0): Uint8Array =>
  Uint8Array.of(0xff, 0xd8, ...before, 0xff, marker, 0, 17, bits, 0, 48, 0, 64, 3);

describe('unusualJpegKind', () => {
  it.each([
    [0xc0, 8, null],
    [0xc1, 8, null],
    [0xc2, 8, null],
    [0xc1, 12, 'JPEG with 12 bits per sample'],
    [0xc2, 12, 'JPEG with 12 bits per sample'],
    [0xc3, 8, 'lossless JPEG'],
    [0xc3, 16, 'lossless JPEG with 16 bits per sample'],
    [0xc9, 8, 'JPEG with arithmetic coding'],
    [0xca, 8, 'JPEG with arithmetic coding'],
    [0xc9, 12, 'JPEG with arithmetic coding and 12 bits per sample'],
    [0xc5, 8, 'hierarchical JPEG'],
  ])('of marker %i with %i bits is %j', (marker, bits, kind) => {
    expect(unusualJpegKind(jpeg(marker, bits))).toBe(kind);
  });

  it.each([
    ['fill bytes', [0xff, 0xff, 0xff, ...APP0]],
    ['quantization and Huffman tables', [0xff, 0xdb, 0, 3, 9, 0xff, 0xc4, 0, 3, 9]],
  ])('is found after %s', (_name, before) => {
    expect(unusualJpegKind(jpeg(0xc9, 8, before))).toBe('JPEG with arithmetic coding');
  });

  it('is null at every length that cuts the frame header', () => {
    const whole = jpeg(0xc9);
    for (let length = 0; length < 13; length += 1) expect(unusualJpegKind(whole.subarray(0, length))).toBeNull();
  });

  it.each([
    [Uint8Array.of()],
    [Uint8Array.of(1, 2, 3, 4, 5, 6)],
    [Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0)],
  ])('is null for data that is not a JPEG', (bytes) => {
    expect(unusualJpegKind(bytes)).toBeNull();
  });
});

describe('isBaselineJpeg', () => {
  it.each([
    [0xc0, 8, true],
    [0xc0, 12, false],
    [0xc1, 8, false],
    [0xc2, 8, false],
    [0xc9, 8, false],
  ])('of marker %i with %i bits is %j', (marker, bits, expected) => {
    expect(isBaselineJpeg(jpeg(marker, bits))).toBe(expected);
  });
});

import { describe, expect, it } from 'vitest';
import { matroskaFrameHead, matroskaHead } from '../../../gateway/renditions/matroska-writer.ts';

describe('matroskaHead', () => {
  it('declares one track of JPEGs with size and rate, in a segment of unknown size', () => {
    const head = matroskaHead({ width: 640, height: 360, framesPerSecond: 25 }).toString('hex');
    expect(head.startsWith('1a45dfa3')).toBe(true);
    expect(head).toContain('1853806701ffffffffffffff');
    expect(head).toContain(Buffer.from('V_MJPEG').toString('hex'));
    expect(head).toContain('b001000000000000080000000000000280');
    expect(head).toContain('ba01000000000000080000000000000168');
    // 40,000,000 ns
    expect(head).toContain('23e38301000000000000080000000002625a00');
  });
});

describe('matroskaFrameHead', () => {
  it('is a cluster of exactly one picture', () => {
    expect(matroskaFrameHead(1000, 16).toString('hex')).toBe(
      `1f43b675${'010000000000002e'}${'e7'}${'0100000000000008'}${'00000000000003e8'}${'a3'}${'0100000000000014'}${'81000080'}`,
    );
  });
});

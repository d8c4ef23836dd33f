import { describe, expect, it } from 'vitest';
import { ChunkedDecoder } from '../../../../gateway/sources/mjpeg/chunked-decoder.ts';

function decode(text: string, size: number): { readonly text: string; readonly hasEnded: boolean } {
  const pieces: Buffer[] = [];
  const decoder = new ChunkedDecoder((data) => pieces.push(Buffer.from(data)));
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.byteLength; at += size) decoder.read(bytes.subarray(at, at + size));
  return { text: Buffer.concat(pieces).toString('latin1'), hasEnded: decoder.hasEnded };
}

describe('ChunkedDecoder', () => {
  it.each([
    ['chunks', '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n', 'abc0123456789', true],
    ['extensions and zeros', '003;x=y\r\nabc\r\n0;z\r\nTrailer: x\r\n\r\n', 'abc', true],
    ['LF alone', '3\nabc\n2\nde\n0\n\n', 'abcde', true],
    ['no line break after a chunk', '3\r\nabc2\r\nde0\r\n\r\n', 'abcde', true],
    ['spaces', '  3  \r\nabc\r\n0 \r\n\r\n', 'abc', true],
    ['line breaks within a chunk', '5\r\na\r\n\nb\r\n0\r\n', 'a\r\n\nb', true],
    ['no end', '3\r\nabc\r\n4\r\nde', 'abcde', false],
    [
      'a body that is not chunked',
      '--cam\r\nContent-Type: image/jpeg\r\n\r\n1\r\n2',
      '--cam\r\nContent-Type: image/jpeg\r\n\r\n1\r\n2',
      false,
    ],
  ])('reads %s, in chunks of any size', (_name, text, expected, hasEnded) => {
    for (let size = 1; size <= text.length; size += 1)
      expect(decode(text, size), `pieces of ${size}`).toEqual({ text: expected, hasEnded });
  });

  it.each([
    ['empty lines', '\n'],
    ['chunks of one byte', '1\r\nx\r\n'],
    ['extensions', `1;${'x'.repeat(900)}\r\nx\r\n`],
  ])('refuses endless %s', (_name, piece) => {
    const begin = `3\r\nabc\r\n`;
    expect(() => decode(`${begin}${piece.repeat(40_000 / piece.length)}`, 1000)).not.toThrow();
    expect(() => decode(`${begin}${piece.repeat(160_000 / piece.length)}`, 1000)).toThrow(
      expect.objectContaining({ code: 'source-failed' }),
    );
  });

  it('accepts tiny chunks between large ones', () => {
    const piece = `${'1\r\nx\r\n'.repeat(20)}400\r\n${'y'.repeat(1024)}\r\n`;
    expect(decode(piece.repeat(1000), 1000).text).toBe(`${'x'.repeat(20)}${'y'.repeat(1024)}`.repeat(1000));
  });

  it('refuses an invalid size', () => {
    expect(() => decode('3\r\nabc\r\nxyz\r\n', 100)).toThrow(expect.objectContaining({ code: 'source-failed' }));
    expect(() => decode(`3\r\nabc\r\n${'1'.repeat(2000)}`, 100)).toThrow(
      expect.objectContaining({ code: 'source-failed' }),
    );
  });
});

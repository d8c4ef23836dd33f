import { describe, expect, it } from 'vitest';
import { MultipartReader, type Part } from '../../../gateway/codecs/multipart-reader.ts';
import { buildJpeg, createRandom } from '../../helpers/jpeg-builder.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The parts of a body that arrives in these chunks. */
function read(
  pieces: readonly Buffer[],
  maxBodyBytes = 1000,
): { readonly parts: [Record<string, string>, string][]; readonly hasEnded: boolean } {
  const parts: [Record<string, string>, string][] = [];
  const reader = new MultipartReader({
    boundary: 'frame',
    maxBodyBytes,
    onPart: ({ headers, body }: Part) => parts.push([Object.fromEntries(headers), body.toString('latin1')]),
  });
  for (const piece of pieces) {
    // The memory is reused, like that of a socket.
    const borrowed = Buffer.from(piece);
    reader.read(borrowed);
    borrowed.fill(0x2d);
  }
  return { parts, hasEnded: reader.hasEnded };
}

const COUNTED = bytes(
  '--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nab\r\nc\r\n--frame\r\nX-A:1\r\ncontent-length:3\r\n\r\nxyz\r\n--frame--\r\nepilogue',
);
const COUNTED_PARTS = [
  [{ 'content-type': 'image/jpeg', 'content-length': '5' }, 'ab\r\nc'],
  [{ 'x-a': '1', 'content-length': '3' }, 'xyz'],
];
const SEARCHED = bytes(
  'preamble\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\nab\r\n--fra\r\n-c\r\n--frame\r\n\r\n\r\n--frame\r\nA: b: c\r\n\r\nxyz\r\n--frame--',
);
const SEARCHED_PARTS = [
  [{ 'content-type': 'image/jpeg' }, 'ab\r\n--fra\r\n-c'],
  [{}, ''],
  [{ a: 'b: c' }, 'xyz'],
];

describe('MultipartReader', () => {
  it.each([
    ['with lengths', COUNTED, COUNTED_PARTS],
    ['without', SEARCHED, SEARCHED_PARTS],
  ] as const)('reads parts %s from chunks of any size', (_name, body, parts) => {
    expect(read([body])).toEqual({ parts, hasEnded: true });
    expect(read([...body].map((byte) => Buffer.of(byte)))).toEqual({ parts, hasEnded: true });
    for (let at = 1; at < body.byteLength; at += 1)
      expect(read([body.subarray(0, at), body.subarray(at)]), `cut at ${at}`).toEqual({ parts, hasEnded: true });
  });

  it('delivers nothing of an incomplete part', () => {
    for (const [body, parts] of [
      [COUNTED, COUNTED_PARTS],
      [SEARCHED, SEARCHED_PARTS],
    ] as const) {
      for (let end = 0; end < body.byteLength; end += 1) {
        const given = read([body.subarray(0, end)]).parts;
        expect(given, `ended at ${end}`).toEqual(parts.slice(0, given.length));
      }
    }
  });

  it('delivers a part of known length with its last byte', () => {
    const end = COUNTED.indexOf('\r\n--frame\r\nX-A');
    expect(read([COUNTED.subarray(0, end - 1)]).parts).toHaveLength(0);
    expect(read([COUNTED.subarray(0, end)]).parts).toHaveLength(1);
  });

  it('delivers an empty part with the boundary after it, because its length may be wrong', () => {
    expect(read([bytes('--frame\r\nContent-Length: 0\r\n\r\n')]).parts).toEqual([]);
    expect(read([bytes('--frame\r\nContent-Length: 0\r\n\r\n--frame\r\n')]).parts).toEqual([
      [{ 'content-length': '0' }, ''],
    ]);
    expect(read([bytes('--frame\r\nContent-Length: 0\r\n\r\nabc\r\n--frame\r\n')]).parts).toEqual([
      [{ 'content-length': '0' }, 'abc'],
    ]);
  });

  it('delivers each part in separate memory', () => {
    const bodies: Buffer[] = [];
    const reader = new MultipartReader({
      boundary: 'frame',
      maxBodyBytes: 1000,
      onPart: ({ body }) => bodies.push(body),
    });
    reader.read(COUNTED);
    const searching = new MultipartReader({
      boundary: 'frame',
      maxBodyBytes: 1000,
      onPart: ({ body }) => bodies.push(body),
    });
    searching.read(SEARCHED);
    for (const body of bodies.filter(({ byteLength }) => byteLength > 0)) body.fill(0);
    expect(bodies.map(({ byteLength }) => byteLength)).toEqual([5, 3, 13, 0, 3]);
    expect(COUNTED.includes('ab\r\nc')).toBe(true);
    expect(SEARCHED.includes('xyz')).toBe(true);
  });

  it('refuses a body that is too large before it allocates memory', () => {
    const counted = (length: number): Buffer => bytes(`--frame\r\nContent-Length: ${length}\r\n\r\n`);
    expect(read([Buffer.concat([counted(20), Buffer.alloc(20)])], 20).parts).toHaveLength(1);
    expect(() => read([counted(21), bytes('a')], 20)).toThrow(coded('too-large'));
    const searched = (length: number): Buffer => Buffer.concat([bytes('--frame\r\n\r\n'), Buffer.alloc(length)]);
    expect(read([searched(20), bytes('\r\n--frame\r\n')], 20).parts).toHaveLength(1);
    expect(() => read([searched(21), bytes('\r\n--frame\r\n')], 20)).toThrow(coded('too-large'));
    expect(() => read([searched(500)], 20)).toThrow(coded('too-large'));
    expect(() =>
      read(
        [...searched(500)].map((byte) => Buffer.of(byte)),
        20,
      ),
    ).toThrow(coded('too-large'));
  });

  it('reads thousands of tiny parts of one chunk in linear time', () => {
    let parts = 0;
    const reader = new MultipartReader({ boundary: 'frame', maxBodyBytes: 1000, onPart: () => (parts += 1) });
    const body = bytes('--frame\r\n\r\n\r\n'.repeat(50_000));
    const start = process.cpuUsage();
    reader.read(body);
    // 0.2 s; quadratic 5 s.
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(1500);
    expect(parts).toBe(49_999);
  });

  it('allocates no memory for a part without a length that is complete in its chunk', () => {
    const before = process.memoryUsage().arrayBuffers;
    const bodies: Buffer[] = [];
    new MultipartReader({ boundary: 'frame', maxBodyBytes: 1 << 20, onPart: ({ body }) => bodies.push(body) }).read(
      bytes('--frame\r\n\r\nab\r\n'.repeat(2000)),
    );
    expect(bodies).toHaveLength(1999);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  it.each(['-1', '1e3', 'five', '1234567890123'])('ignores the Content-Length %s', (length) => {
    expect(read([bytes(`--frame\r\nContent-Length: ${length}\r\n\r\nabc\r\n--frame--`)])).toEqual({
      parts: [[{ 'content-length': length }, 'abc']],
      hasEnded: true,
    });
  });

  it('refuses data that never becomes a part', () => {
    const filler = (count: number, byte: string | number = 'a'): Buffer => Buffer.alloc(count, byte);
    expect(read([filler(16 << 10)]).parts).toEqual([]);
    expect(() => read([filler(16 << 10), filler(1)])).toThrow(coded('multipart-invalid'));
    expect(() => read([bytes('--frame\r\nX: '), filler(16 << 10)])).toThrow(coded('multipart-invalid'));
    // It may begin within a picture.
    expect(read([filler(1 << 20, 7), bytes('--frame\r\n\r\nabc\r\n--frame--')]).parts).toHaveLength(1);
    expect(() => read([filler((1 << 20) + (1 << 17), 7)])).toThrow(coded('multipart-invalid'));
  });

  it('delivers a JPEG with its last byte, and a truncated one up to the next part', () => {
    const jpeg = buildJpeg({ width: 8, height: 8, sampling: [[1, 1]], random: createRandom(1) });
    const text = jpeg.toString('latin1');
    const begin = bytes('--frame\r\nContent-Type: image/jpeg\r\n\r\n');
    expect(read([begin, jpeg.subarray(0, -1)]).parts).toEqual([]);
    expect(read([begin, jpeg]).parts).toEqual([[{ 'content-type': 'image/jpeg' }, text]]);
    for (let end = 4; end < jpeg.byteLength - 1; end += 1) {
      const broken = [begin, jpeg.subarray(0, end), bytes('\r\n'), begin, jpeg];
      expect(
        read(broken).parts.map(([, body]) => body),
        `cut at ${end}`,
      ).toEqual([text.slice(0, end), text]);
    }
  });

  it('assigns headers to the following part, even with faults in between', () => {
    const jpeg = buildJpeg({ width: 8, height: 8, sampling: [[1, 1]], random: createRandom(1) });
    const namesOf = (...pieces: Buffer[]): string[] => read(pieces).parts.map(([headers]) => headers['n'] ?? '');
    expect(namesOf(bytes('--other\nN: 1\n\n'), jpeg, bytes('--other\nN: 2\n'), jpeg)).toEqual(['1', '2']);
    expect(namesOf(bytes('N: 1\r\n\r\n'), jpeg, bytes('N: 2\r\n\r\n'), jpeg)).toEqual(['1', '2']);
    expect(namesOf(bytes('--frame\r\nN: 1\r\n\r\nContent-Length: 3\r\n\r\n'), jpeg)).toEqual(['1']);
    expect(namesOf(bytes('--frame\r\n\r\n--frame\r\n--frame\r\nN: 1\r\n\r\n\r\n'), jpeg)).toEqual(['', '1']);
  });

  it.each([
    ['many short header lines', `--frame\r\n${'A: b\r\n'.repeat(2700)}`],
    ['a long header line', `--frame\r\nA: ${'b'.repeat(16_000)}`],
    ['a line of blanks', `--frame\r\nA: b\r\n${' '.repeat(16_000)}`],
    ['blanks before the body', '--frame\r\nA: b\r\n\r\n'.concat('\t'.repeat(1000)).repeat(16)],
    ['a body of text', `--frame\r\n\r\n${'text\r\n'.repeat(2700)}`],
    ['data before the first part', '\x01'.repeat(16_000)],
  ])('takes linear time for %s in chunks of one byte', (_name, text) => {
    const reader = new MultipartReader({ boundary: 'frame', maxBodyBytes: 1 << 20, onPart: () => undefined });
    const all = bytes(text);
    const start = process.cpuUsage();
    // Headers of more than 16 KiB are refused.
    for (let at = 0; at < Math.min(all.byteLength, 16_300); at += 1) reader.read(all.subarray(at, at + 1));
    // Processor time, several times the actual value; hundreds of milliseconds if each byte caused a search of all earlier
    // ones.
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(150);
  });

  it('allocates no more memory than a picture needs if a length is wrong', () => {
    const jpeg = buildJpeg({
      width: 320,
      height: 240,
      sampling: [
        [2, 1],
        [1, 1],
        [1, 1],
      ],
      random: createRandom(1),
    });
    const before = process.memoryUsage().arrayBuffers;
    const bodies: Buffer[] = [];
    const reader = new MultipartReader({
      boundary: 'frame',
      maxBodyBytes: 64 << 20,
      onPart: ({ body }) => bodies.push(body),
    });
    for (let n = 0; n < 50; n += 1)
      for (const piece of [bytes(`--frame\r\nContent-Length: ${60 << 20}\r\n\r\n`), jpeg, bytes('\r\n')])
        reader.read(piece);
    expect(bodies).toHaveLength(50);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
  });
});

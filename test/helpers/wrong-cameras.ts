/** Cameras with faulty MJPEG over HTTP: their data, and the pictures that a tolerant reader finds in it. */
import fc from 'fast-check';
import sharp from 'sharp';
import { buildJpeg, createRandom, EOI, segment, SOI } from './jpeg-builder.ts';

const random = createRandom(14);

const THUMBNAIL = buildJpeg({ width: 8, height: 8, sampling: [[1, 1]], random });
const withThumbnail = segment(0xe1, ...Buffer.from('Exif\0\0'), ...THUMBNAIL, ...Buffer.from('tail'));
const multiPicture = segment(0xe2, ...Buffer.from('MPF\0MM\0*'));

async function progressive(): Promise<Buffer> {
  const pixels = Buffer.from(Array.from({ length: 24 * 16 * 3 }, () => Math.floor(random() * 256)));
  return await sharp(pixels, { raw: { width: 24, height: 16, channels: 3 } })
    .jpeg({ progressive: true })
    .toBuffer();
}

/** JPEGs of different structures; a COM segment with a number can be added after SOI. */
const PICTURES: readonly { readonly jpeg: Buffer; readonly preview?: Buffer }[] = [
  { jpeg: buildJpeg({ width: 8, height: 8, sampling: [[1, 1]], random }) },
  {
    jpeg: buildJpeg({
      width: 64,
      height: 48,
      sampling: [
        [2, 1],
        [1, 1],
        [1, 1],
      ],
      random,
    }),
  },
  {
    jpeg: buildJpeg({
      width: 48,
      height: 32,
      sampling: [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      restartInterval: 2,
      random,
    }),
  },
  {
    jpeg: buildJpeg({
      width: 32,
      height: 32,
      sampling: [
        [2, 2],
        [1, 1],
        [1, 1],
      ],
      before: [withThumbnail],
      random,
    }),
  },
  {
    jpeg: buildJpeg({
      width: 16,
      height: 16,
      sampling: [[1, 1]],
      before: [segment(0xe0, ...Buffer.from('JFIF\0')), withThumbnail, segment(0xfe, ...Buffer.alloc(700, 0xff))],
      random,
    }),
  },
  {
    jpeg: buildJpeg({
      width: 320,
      height: 200,
      sampling: [
        [2, 2],
        [1, 1],
        [1, 1],
      ],
      random,
    }),
  },
  { jpeg: await progressive() },
  {
    jpeg: buildJpeg({ width: 24, height: 24, sampling: [[1, 1]], before: [multiPicture], random }),
    preview: THUMBNAIL,
  },
];

/** Offsets after the segments of a JPEG, up to the first scan. */
function headerEnd(jpeg: Buffer): number {
  for (let at = 2; ;) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] === 0xda) return end;
    at = end;
  }
}

interface WrongPart {
  readonly kind: 'jpeg' | 'torn' | 'text' | 'binary' | 'empty';
  readonly picture: number;
  /** Fraction of the data at which a truncated picture ends. */
  readonly cut: number;
  readonly padding: number;
  readonly length: 'right' | 'none' | 'short' | 'long' | 'huge' | 'zero' | 'negative' | 'words';
  readonly type: string;
  readonly isDoubled: boolean;
  readonly isClosed: boolean;
}

export interface WrongCamera {
  readonly boundary: string;
  readonly announced: 'same' | 'dashed' | 'missing' | 'another';
  /** `headers`: only headers separate the parts; `nothing`: there is no separator. */
  readonly separators: 'boundaries' | 'all but the first' | 'headers' | 'nothing';
  readonly hasMoreDashes: boolean;
  readonly lineEnds: '\r\n' | '\n' | '\r';
  /** Line end before a boundary: that of the camera, LF, or none. */
  readonly ending: 'line' | 'LF' | 'nothing';
  readonly blankLines: number;
  readonly nameless: string;
  readonly preamble: string;
  readonly parts: readonly WrongPart[];
  /** Sizes of the chunks in which the data arrives, repeated in turn. */
  readonly pieces: readonly number[];
}

export const wrongCameras: fc.Arbitrary<WrongCamera> = fc.record({
  boundary: fc.constantFrom(
    'frame',
    'cam',
    'a',
    '--myboundary',
    '----WebKitFormBoundaryx',
    'ThisRandomString',
    "'()+_,-./:=?",
    'a b',
    '=_x',
    '123456789000000000000987654321',
  ),
  announced: fc.constantFrom('same', 'same', 'same', 'dashed', 'missing', 'another'),
  separators: fc.constantFrom('boundaries', 'boundaries', 'boundaries', 'all but the first', 'headers', 'nothing'),
  hasMoreDashes: fc.boolean(),
  lineEnds: fc.constantFrom('\r\n', '\r\n', '\n', '\r'),
  ending: fc.constantFrom('line', 'line', 'LF', 'nothing'),
  blankLines: fc.constantFrom(1, 1, 1, 0, 2, 3),
  nameless: fc.constantFrom('', '', ': no name', 'no colon', ' \t', ':'),
  preamble: fc.constantFrom('', '', 'This is a multipart stream.', 'X: y\r\n\r\n', '\r\n'),
  parts: fc.array(
    fc.record({
      kind: fc.constantFrom('jpeg', 'jpeg', 'jpeg', 'jpeg', 'torn', 'text', 'binary', 'empty'),
      picture: fc.nat(PICTURES.length - 1),
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
      padding: fc.constantFrom(0, 0, 0, 1, 64, 65, 2000, 6000),
      length: fc.constantFrom('right', 'right', 'none', 'none', 'short', 'long', 'huge', 'zero', 'negative', 'words'),
      type: fc.constantFrom(
        'image/jpeg',
        'image/jpeg',
        'image/jpg',
        'image/pjpeg',
        'image/jpeg;size=',
        'application/octet-stream',
        'text/plain',
        '',
      ),
      isDoubled: fc.boolean(),
      isClosed: fc.constantFrom(false, false, false, true),
    }) as fc.Arbitrary<WrongPart>,
    { minLength: 1, maxLength: 7 },
  ),
  pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3000 }), fc.constant(65_536)), {
    minLength: 1,
    maxLength: 4,
  }),
}) as fc.Arbitrary<WrongCamera>;

/** Data of a camera. */
export interface Sent {
  /** The boundary in its Content-Type; null for none. */
  readonly boundary: string | null;
  readonly bytes: Buffer;
  /** The complete JPEGs, and the offsets of their ends. */
  readonly jpegs: readonly { readonly jpeg: Buffer; readonly end: number }[];
}

/** @returns null for a part that even a tolerant reader cannot separate from the next one. */
function bodyOf(part: WrongPart, number: number, camera: WrongCamera): Buffer | null {
  const { jpeg, preview } = PICTURES[part.picture]!;
  const marked = Buffer.concat([SOI, segment(0xfe, ...Buffer.from(`picture ${number}`)), jpeg.subarray(2)]);
  const isSeparated = camera.separators === 'boundaries' || (camera.separators === 'all but the first' && number > 0);
  // Within data, a boundary of one letter, or an unannounced boundary, is recognized only at the beginning of a line.
  const isUnknown =
    camera.separators === 'all but the first' && (camera.announced === 'missing' || camera.announced === 'another');
  const isMistakable = camera.ending === 'nothing' && (camera.boundary === 'a' || isUnknown);
  switch (part.kind) {
    case 'jpeg':
      if (preview !== undefined) return isSeparated && !isMistakable ? Buffer.concat([marked, preview]) : null;
      return marked;
    case 'torn': {
      const begin = camera.separators === 'nothing' || isMistakable ? headerEnd(marked) : 3;
      // The picture is truncated somewhere before its EOI.
      return marked.subarray(0, begin + Math.floor(part.cut * (marked.byteLength - 2 - begin)));
    }
    case 'text':
      return isMistakable ? null : Buffer.from('{"motion": [1, 2, 3],\r\n\r\n "note": "--"}');
    case 'binary':
      return isMistakable
        ? null
        : Buffer.concat([Buffer.of(1, 2, 0xff, 0xd9, 0xff, 0xd8, 0), Buffer.alloc(300, 0xa5), EOI]);
    case 'empty':
      return Buffer.alloc(0);
  }
}

function lengthOf({ length }: WrongPart, bytes: number): string | null {
  switch (length) {
    case 'right':
      return String(bytes);
    case 'none':
      return null;
    case 'short':
      return String(Math.max(1, bytes - 20));
    case 'long':
      return String(bytes + 20);
    case 'huge':
      return '2147483647';
    case 'zero':
      return '0';
    case 'negative':
      return '-1';
    case 'words':
      return 'unknown';
  }
}

/** Encodes the data of a camera. */
export function send(camera: WrongCamera): Sent {
  const { lineEnds, separators, nameless } = camera;
  const pieces: Buffer[] = [];
  const jpegs: { jpeg: Buffer; end: number }[] = [];
  let bytes = 0;
  const write = (data: string | Buffer): void => {
    const piece = Buffer.from(data as string, 'latin1');
    pieces.push(piece);
    bytes += piece.byteLength;
  };
  const line = `${camera.hasMoreDashes ? '--' : ''}--${camera.boundary}`;
  const ending = camera.ending === 'line' ? lineEnds : camera.ending === 'LF' ? '\n' : '';
  if (separators !== 'nothing' && camera.preamble !== '') write(camera.preamble + lineEnds);
  for (const [number, part] of camera.parts.entries()) {
    const body = bodyOf(part, number, camera);
    if (body === null || (separators === 'nothing' && part.kind !== 'jpeg' && part.kind !== 'torn')) continue;
    // Only a boundary ends a body of another kind: otherwise the reader would have to trust its length.
    const isHuge = part.length === 'huge' && part.kind !== 'jpeg' && part.kind !== 'torn';
    const length = isHuge ? null : lengthOf(part, body.byteLength);
    const hasBoundary = separators === 'boundaries' || (separators === 'all but the first' && number > 0);
    if (hasBoundary) write((part.isDoubled ? line + lineEnds : '') + line + lineEnds);
    if (separators !== 'nothing') {
      const headers = [
        `Content-Type: ${part.type}`,
        ...(nameless === '' ? [] : [nameless]),
        ...(length === null ? [] : [`Content-Length: ${length}`]),
      ];
      write(headers.map((header) => header + lineEnds).join('') + lineEnds.repeat(camera.blankLines));
    }
    write(body);
    if (part.kind === 'jpeg') {
      const preview = PICTURES[part.picture]!.preview?.byteLength ?? 0;
      jpegs.push({ jpeg: body.subarray(0, body.byteLength - preview), end: bytes - preview });
    }
    if (part.kind === 'jpeg') write(Buffer.alloc(part.padding));
    if (separators === 'nothing') continue;
    write(ending);
    if (part.isClosed && hasBoundary) write(`${line}--${lineEnds}`);
  }
  const announced = { same: camera.boundary, dashed: line, missing: null, another: 'somethingElse' }[camera.announced];
  return { boundary: announced, bytes: Buffer.concat(pieces), jpegs };
}

/** Splits the data into chunks of these sizes, and at the end of each JPEG. */
export function* cut(
  { bytes, jpegs }: Sent,
  sizes: readonly number[],
): Generator<{ readonly piece: Buffer; readonly end: number }> {
  const ends = [...jpegs.map(({ end }) => end), bytes.byteLength];
  for (let at = 0, turn = 0; at < bytes.byteLength; turn += 1) {
    const next = ends.find((end) => end > at) ?? bytes.byteLength;
    const end = Math.min(next, at + (sizes[turn % sizes.length] ?? 1));
    yield { piece: Buffer.from(bytes.subarray(at, end)), end };
    at = end;
  }
}

/**
 * Writes JPEGs as Matroska (RFC 9559), so that a decoder gets each picture with its time stamp and its length, and does
 * not have to wait for the next one to detect its end. One cluster per picture.
 */

/** Marks a size as unknown: the segment is live. */
const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');

const ID = {
  ebml: '1a45dfa3',
  ebmlVersion: '4286',
  ebmlReadVersion: '42f7',
  maxIdLength: '42f2',
  maxSizeLength: '42f3',
  docType: '4282',
  docTypeVersion: '4287',
  docTypeReadVersion: '4285',
  segment: '18538067',
  info: '1549a966',
  timestampScale: '2ad7b1',
  muxer: '4d80',
  writer: '5741',
  tracks: '1654ae6b',
  track: 'ae',
  trackNumber: 'd7',
  trackUid: '73c5',
  trackType: '83',
  lacing: '9c',
  codec: '86',
  defaultDuration: '23e383',
  video: 'e0',
  width: 'b0',
  height: 'ba',
  cluster: '1f43b675',
  timestamp: 'e7',
  simpleBlock: 'a3',
} as const;

/** Nanoseconds per unit of time: one millisecond. */
const TIMESTAMP_SCALE = 1_000_000;

/** Header of a SimpleBlock: track 1, no offset to the cluster's time, key frame. */
const BLOCK_HEAD = Buffer.from('81000080', 'hex');

/** Encodes the beginning of a stream of JPEGs of one size. */
export function matroskaHead({
  width,
  height,
  framesPerSecond,
}: {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}): Buffer {
  const header = element(
    ID.ebml,
    uint(ID.ebmlVersion, 1),
    uint(ID.ebmlReadVersion, 1),
    uint(ID.maxIdLength, 4),
    uint(ID.maxSizeLength, 8),
    text(ID.docType, 'matroska'),
    uint(ID.docTypeVersion, 4),
    uint(ID.docTypeReadVersion, 2),
  );
  const info = element(
    ID.info,
    uint(ID.timestampScale, TIMESTAMP_SCALE),
    text(ID.muxer, 'gearway'),
    text(ID.writer, 'gearway'),
  );
  // Encoders use this frame rate for their rate control.
  const track = element(
    ID.track,
    uint(ID.trackNumber, 1),
    uint(ID.trackUid, 1),
    uint(ID.trackType, 1),
    uint(ID.lacing, 0),
    text(ID.codec, 'V_MJPEG'),
    uint(ID.defaultDuration, Math.round(1e9 / framesPerSecond)),
    element(ID.video, uint(ID.width, width), uint(ID.height, height)),
  );
  return Buffer.concat([header, Buffer.from(ID.segment, 'hex'), UNKNOWN_SIZE, info, element(ID.tracks, track)]);
}

/** Encodes the bytes before a JPEG of this length. @param timeMs increases from picture to picture. */
export function matroskaFrameHead(timeMs: number, jpegBytes: number): Buffer {
  const time = uint(ID.timestamp, timeMs);
  const block = Buffer.concat([
    Buffer.from(ID.simpleBlock, 'hex'),
    size(BLOCK_HEAD.byteLength + jpegBytes),
    BLOCK_HEAD,
  ]);
  return Buffer.concat([
    Buffer.from(ID.cluster, 'hex'),
    size(time.byteLength + block.byteLength + jpegBytes),
    time,
    block,
  ]);
}

function element(id: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from(id, 'hex'),
    size(parts.reduce((sum, { byteLength }) => sum + byteLength, 0)),
    ...parts,
  ]);
}

function uint(id: string, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}

function text(id: string, value: string): Buffer {
  return element(id, Buffer.from(value, 'latin1'));
}

/** Encodes a size in eight bytes. */
function size(bytes: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(bytes) | (1n << 56n));
  return buffer;
}

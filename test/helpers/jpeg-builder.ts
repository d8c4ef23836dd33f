/** Builds JPEGs (ITU-T T.81) of kinds that encoders do not write. */

/** Seeded pseudo-random numbers in [0, 1): mulberry32. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A segment with its marker and length. */
export function segment(marker: number, ...data: number[]): Buffer {
  const length = data.length + 2;
  return Buffer.from([0xff, marker, length >> 8, length & 255, ...data]);
}

export const SOI = Buffer.of(0xff, 0xd8);
export const EOI = Buffer.of(0xff, 0xd9);

/** Writes bits, most significant first; a byte 0xff is followed by 0. */
class BitWriter {
  readonly #bytes: number[] = [];
  #bits = 0;
  #count = 0;

  write(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit -= 1) {
      this.#bits = (this.#bits << 1) | ((value >> bit) & 1);
      this.#count += 1;
      if (this.#count === 8) this.#flush();
    }
  }

  /** Fills the last byte with ones. */
  align(): void {
    while (this.#count > 0) this.write(1, 1);
  }

  marker(code: number): void {
    this.align();
    this.#bytes.push(0xff, code);
  }

  toBuffer(): Buffer {
    this.align();
    return Buffer.from(this.#bytes);
  }

  #flush(): void {
    this.#bytes.push(this.#bits);
    if (this.#bits === 0xff) this.#bytes.push(0);
    this.#bits = 0;
    this.#count = 0;
  }
}

/** DC categories 0 to 7 and AC symbols. The code of each has 4 bits, and equals its index. */
const DC_SYMBOLS = [0, 1, 2, 3, 4, 5, 6, 7];
const AC_SYMBOLS = [0x00, 0x01, 0x02, 0x11, 0x21, 0xf0];
const CODE_BITS = 4;

function huffmanTable(id: number, symbols: readonly number[], bits = CODE_BITS): Buffer {
  const counts = Array<number>(16).fill(0);
  counts[bits - 1] = symbols.length;
  return segment(0xc4, id, ...counts, ...symbols);
}

interface BuiltJpeg {
  readonly width: number;
  readonly height: number;
  /** Sampling factors of each component, horizontal and vertical. */
  readonly sampling: readonly (readonly [number, number])[];
  /** Start-of-frame marker; default 0xc0, baseline. */
  readonly frameMarker?: number;
  /** Bits of a sample; default 8. */
  readonly precision?: number;
  /** MCUs between restart markers; default none. */
  readonly restartInterval?: number;
  /** Segments before the frame header. */
  readonly before?: readonly Buffer[];
  readonly random: () => number;
}

/** A sequential JPEG of one scan with pseudo-random contents. */
export function buildJpeg({
  width,
  height,
  sampling,
  frameMarker = 0xc0,
  precision = 8,
  restartInterval = 0,
  before = [],
  random,
}: BuiltJpeg): Buffer {
  const horizontal = Math.max(...sampling.map(([h]) => h));
  const vertical = Math.max(...sampling.map(([, v]) => v));
  const isInterleaved = sampling.length > 1;
  const [[h0, v0] = [1, 1]] = sampling;
  const mcus = isInterleaved
    ? Math.ceil(width / (8 * horizontal)) * Math.ceil(height / (8 * vertical))
    : Math.ceil(Math.ceil((width * h0) / horizontal) / 8) * Math.ceil(Math.ceil((height * v0) / vertical) / 8);
  const bits = new BitWriter();
  const previous = sampling.map(() => 0);
  for (let mcu = 0; mcu < mcus; mcu += 1) {
    if (restartInterval > 0 && mcu > 0 && mcu % restartInterval === 0) {
      bits.marker(0xd0 + ((mcu / restartInterval - 1) % 8));
      previous.fill(0);
    }
    for (const [index, [h, v]] of sampling.entries()) {
      for (let block = 0; block < (isInterleaved ? h * v : 1); block += 1) writeBlock(bits, previous, index, random);
    }
  }
  const components = sampling.flatMap(([h, v], index) => [index + 1, (h << 4) | v, 0]);
  return Buffer.concat([
    SOI,
    ...before,
    segment(0xdb, 0, ...Array<number>(64).fill(4)),
    ...(restartInterval > 0 ? [segment(0xdd, restartInterval >> 8, restartInterval & 255)] : []),
    segment(frameMarker, precision, height >> 8, height & 255, width >> 8, width & 255, sampling.length, ...components),
    huffmanTable(0x00, DC_SYMBOLS),
    huffmanTable(0x10, AC_SYMBOLS),
    segment(0xda, sampling.length, ...sampling.flatMap((_, index) => [index + 1, 0]), 0, 63, 0),
    bits.toBuffer(),
    EOI,
  ]);
}

function writeBlock(bits: BitWriter, previous: number[], index: number, random: () => number): void {
  const value = Math.floor(random() * 200) - 100;
  const difference = Math.max(-127, Math.min(127, value - (previous[index] ?? 0)));
  previous[index] = (previous[index] ?? 0) + difference;
  const category = difference === 0 ? 0 : 32 - Math.clz32(Math.abs(difference));
  bits.write(DC_SYMBOLS.indexOf(category), CODE_BITS);
  bits.write(difference < 0 ? difference + (1 << category) - 1 : difference, category);
  const coefficients = Math.floor(random() * 4);
  for (let count = 0; count < coefficients; count += 1) {
    const symbol = 1 + Math.floor(random() * 4);
    bits.write(symbol, CODE_BITS);
    const size = (AC_SYMBOLS[symbol] ?? 0) & 15;
    bits.write(Math.floor(random() * (1 << size)), size);
  }
  bits.write(0, CODE_BITS);
}

interface BombOptions {
  readonly width: number;
  readonly height: number;
  readonly scans: number;
  /** `progressive`: empty AC scans of the first component; `sequential`: repeated scans of each component. */
  readonly kind?: 'progressive' | 'sequential';
  readonly components?: 1 | 3;
}

/** Longest end-of-band run of progressive JPEG, in blocks. */
const LONGEST_RUN_BITS = 14;
const LONGEST_RUN = (1 << (LONGEST_RUN_BITS + 1)) - 1;

/**
 * A valid JPEG of few bytes with many scans: a decoder visits all blocks for each.
 */
export function buildBomb({ width, height, scans, kind = 'progressive', components = 1 }: BombOptions): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const ids = Array.from({ length: components }, (_, index) => index + 1);
  const frame = segment(
    kind === 'progressive' ? 0xc2 : 0xc0,
    8,
    height >> 8,
    height & 255,
    width >> 8,
    width & 255,
    components,
    ...ids.flatMap((id) => [id, 0x11, 0]),
  );
  const head = [SOI, segment(0xdb, 0, ...Array<number>(64).fill(1)), frame, huffmanTable(0x00, [0], 1)];
  if (kind === 'sequential') {
    // Two bits per block: no difference, end of block.
    const data = Buffer.alloc(Math.ceil(blocks / 4));
    const scan = (id: number): Buffer => Buffer.concat([segment(0xda, 1, id, 0, 0, 63, 0), data]);
    return Buffer.concat([
      ...head,
      huffmanTable(0x10, [0], 1),
      ...Array.from({ length: scans }, (_, index) => scan(ids[index % components] ?? 1)),
      EOI,
    ]);
  }
  const bits = new BitWriter();
  for (let left = blocks; left > 0; left -= LONGEST_RUN) {
    const run = Math.min(left, LONGEST_RUN);
    const size = 31 - Math.clz32(run);
    bits.write(size, CODE_BITS);
    bits.write(run - (1 << size), size);
  }
  const first = Buffer.concat([
    segment(0xda, components, ...ids.flatMap((id) => [id, 0]), 0, 0, 0),
    Buffer.alloc(Math.ceil((blocks * components) / 8)),
  ]);
  const runs = Buffer.concat([segment(0xda, 1, 1, 0, 1, 63, 0), bits.toBuffer()]);
  const runTable = huffmanTable(
    0x10,
    Array.from({ length: LONGEST_RUN_BITS + 1 }, (_, size) => size << 4),
  );
  return Buffer.concat([...head, runTable, first, ...Array<Buffer>(scans).fill(runs), EOI]);
}

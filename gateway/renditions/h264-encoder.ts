import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { errorText } from '../../shared/errors.ts';
import { type AccessUnit, FlvReader } from './flv-reader.ts';
import { evenPart, type VideoStep } from './ladder.ts';
import { matroskaFrameHead, matroskaHead } from './matroska-writer.ts';

/** The pictures that an encoder gets. */
interface EncoderInput {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

/** Size of the encoded picture; both are even, as H.264 with 4:2:0 requires. */
interface VideoSize {
  readonly width: number;
  readonly height: number;
}

/** How a decoder is set up: WebCodecs' codec string, and `avcC`. */
export interface VideoConfig {
  readonly codec: string;
  readonly description: Uint8Array;
}

interface EncoderEvents<T> {
  /** An encoded picture, in the order of the input. */
  encoded(item: T, unit: AccessUnit, config: VideoConfig): void;
  /** Called once when the process has ended, but not after `close()`. `isMissing`: the program was not found. */
  ended(reason: string, isMissing: boolean): void;
}

/**
 * Maximum number of pictures inside the encoder: one that is being encoded, and one that waits. Further ones are
 * skipped.
 */
const MAX_INSIDE = 2;

/**
 * An encoder without output for this long is hanging, or cannot decode the pictures. Its viewers get JPEGs until then. On
 * a busy machine, the start alone can take seconds, and each replacement would start again.
 */
const STALL_MS = 10_000;

/** The time stamps of FLV have 31 bits: 24 days. An older encoder must be replaced. */
const MAX_AGE_MS = 20 * 86_400_000;

const KEPT_ERROR_CHARACTERS = 400;

/**
 * Runs FFmpeg with libx264 as a process that converts JPEGs to access units. Both have time stamps, by which each unit
 * is matched with its picture, even if the encoder drops or delays pictures.
 *
 * A key frame is requested by an odd time stamp, which FFmpeg's option `force_key_frames` detects, because its input
 * has no other way to request one.
 *
 * @typeParam T identifies a picture.
 */
export class H264Encoder<T> {
  readonly size: VideoSize;
  readonly #events: EncoderEvents<T>;
  readonly #child: ChildProcess;
  /** Pictures inside the encoder, by time stamp, oldest first. */
  readonly #inside = new Map<number, T>();
  readonly #startedAtMs = performance.now();
  #lastTimeMs = -2;
  #lastOutputAtMs = performance.now();
  #hasOutput = false;
  #config: VideoConfig | null = null;
  #errors = '';
  #hasEnded = false;

  constructor(input: EncoderInput, step: VideoStep, events: EncoderEvents<T>, command = 'ffmpeg') {
    this.#events = events;
    this.size = videoSize(input, step);
    this.#child = spawn(command, encoderArguments(input, step, this.size), {
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const reader = new FlvReader({
      configured: (description) => (this.#config = { codec: codecOf(description), description }),
      unit: (unit) => this.#encoded(unit),
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      try {
        reader.read(chunk);
      } catch (error) {
        this.#end(errorText(error));
      }
    });
    this.#child.stderr?.on(
      'data',
      (chunk: Buffer) => (this.#errors = `${this.#errors}${chunk.toString()}`.slice(-KEPT_ERROR_CHARACTERS)),
    );
    this.#child.stdin?.on('error', () => undefined); // followed by 'close'
    this.#child.once('error', (error: NodeJS.ErrnoException) => this.#end(error.message, error.code === 'ENOENT'));
    // 'exit' may be emitted before the end of the error output.
    this.#child.once('close', (code, signal) => this.#end(`FFmpeg ended with ${signal ?? `status ${code}`}`));
    this.#child.stdin?.write(matroskaHead(input));
  }

  /** Whether the encoder must be replaced soon, because its time stamps will be used up. */
  get isOld(): boolean {
    return performance.now() - this.#startedAtMs > MAX_AGE_MS;
  }

  /** PID of the process, for tests. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Encodes a picture, unless too many are being encoded.
   *
   * @param jpeg the caller must not change it any more.
   * @returns whether it was accepted.
   */
  encode(item: T, jpeg: Uint8Array, isKey: boolean): boolean {
    if (this.#hasEnded) return false;
    const now = performance.now();
    if (this.#inside.size === 0) this.#lastOutputAtMs = now;
    if (now - this.#lastOutputAtMs > STALL_MS) {
      this.#end(`FFmpeg encoded nothing for ${STALL_MS / 1000} s`);
      return false;
    }
    if (this.#inside.size >= MAX_INSIDE) return false;
    const even = Math.max(this.#lastTimeMs + 2, Math.round(now - this.#startedAtMs)) & ~1;
    const timeMs = isKey ? even + 1 : even;
    this.#lastTimeMs = timeMs;
    this.#inside.set(timeMs, item);
    this.#child.stdin?.write(matroskaFrameHead(timeMs, jpeg.byteLength));
    this.#child.stdin?.write(jpeg);
    return true;
  }

  /** Ends the process. Idempotent. */
  close(): void {
    this.#hasEnded = true;
    this.#inside.clear();
    this.#child.kill('SIGKILL');
  }

  #encoded(unit: AccessUnit): void {
    if (!this.#hasOutput) lowerPriority(this.#child);
    this.#hasOutput = true;
    this.#lastOutputAtMs = performance.now();
    const item = this.#inside.get(unit.timeMs);
    // The encoder preserves the order, so the pictures before this one were dropped.
    for (const timeMs of this.#inside.keys()) if (timeMs <= unit.timeMs) this.#inside.delete(timeMs);
    if (item !== undefined && this.#config !== null && !this.#hasEnded) this.#events.encoded(item, unit, this.#config);
  }

  #end(reason: string, isMissing = false): void {
    if (this.#hasEnded) return;
    this.close();
    const errors = this.#errors.trim();
    this.#events.ended(errors === '' ? reason : `${reason}: ${errors}`, isMissing);
  }
}

/** Size of the picture of a step. */
function videoSize({ width, height }: VideoSize, { divisor }: VideoStep): VideoSize {
  return { width: evenPart(width, divisor), height: evenPart(height, divisor) };
}

/** `avc1.` and profile, constraints and level of the configuration, in hexadecimal. */
function codecOf(description: Uint8Array): string {
  return `avc1.${Buffer.from(description.subarray(1, 4)).toString('hex')}`;
}

/** Length of the rate control's buffer in seconds: a key frame takes at most this long on the link. */
const BUFFER_SECONDS = 0.2;

function encoderArguments(
  { width, height }: EncoderInput,
  { divisor, bitsPerSecond }: VideoStep,
  size: VideoSize,
): readonly string[] {
  const rate = String(bitsPerSecond);
  const isLarge = width * height > 1920 * 1088;
  return [
    '-hide_banner',
    '-loglevel',
    'error',
    // Input: no analysis, and one thread, because each further one delays pictures. `-fflags nobuffer` is not used,
    // because it discards the first picture.
    '-probesize',
    '32',
    '-analyzeduration',
    '0',
    '-fpsprobesize',
    '0',
    '-threads',
    '1',
    '-flags',
    'low_delay',
    ...(divisor === 1 ? [] : ['-lowres', String(Math.log2(divisor))]),
    '-f',
    'matroska',
    '-i',
    'pipe:0',
    '-an',
    '-vf',
    `scale=${size.width}:${size.height}:flags=fast_bilinear`,
    '-pix_fmt',
    'yuv420p',
    // Time stamps are kept unchanged: FFmpeg would otherwise subtract the first one.
    '-copyts',
    '-fps_mode',
    'passthrough',
    '-enc_time_base',
    '1:1000',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-tune',
    'zerolatency',
    '-profile:v',
    'baseline',
    '-level:v',
    isLarge ? '5.1' : '4.0',
    '-threads',
    '1',
    // Key frames only on request.
    '-g',
    '100000',
    '-sc_threshold',
    '0',
    '-forced-idr',
    '1',
    '-force_key_frames',
    'expr:mod(round(t*1000),2)',
    '-b:v',
    rate,
    '-maxrate',
    rate,
    '-bufsize',
    String(Math.round(bitsPerSecond * BUFFER_SECONDS)),
    // Colour space of JPEG, which decoders would otherwise guess from the size.
    '-colorspace',
    'smpte170m',
    '-color_primaries',
    'smpte170m',
    '-color_trc',
    'smpte170m',
    '-flush_packets',
    '1',
    '-f',
    'flv',
    '-flvflags',
    'no_duration_filesize',
    'pipe:1',
  ];
}

/**
 * Nice value of encoders, so that a busy machine first serves the clients that get unmodified frames. The start has the
 * normal priority: until it is done, viewers get larger JPEGs.
 */
const NICE = 10;

function lowerPriority({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICE);
  } catch {
    // The process has already ended, which is reported by its events.
  }
}

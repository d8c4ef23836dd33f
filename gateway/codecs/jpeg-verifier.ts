import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runInBackground } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { readJpegHeader } from './jpeg-header.ts';

/** Result of a verification. */
export type JpegVerdict = { readonly isGood: true } | { readonly isGood: false; readonly error: GearwayError };

/** Purpose of a verification. The two take turns; return data never occupies more than one decoder. */
type JpegLane = 'frames' | 'returns';

interface VerifyOptions {
  readonly lane: JpegLane;
  /**
   * Identifies the requester: a stream, or a viewer. The keys of a lane take turns, regardless of how much each
   * requests.
   */
  readonly key: unknown;
  /** Colour space to which the NetGear peer decodes the JPEG; not checked if absent. */
  readonly colorspace?: string;
}

/** A requested verification. */
export interface JpegVerification {
  /** Resolves with null if it was cancelled, or the verifier was closed, before there was a result. Never rejects. */
  readonly verdict: Promise<JpegVerdict | null>;
  /** Whether a decoder is verifying the JPEG, or has done so. */
  readonly isStarted: boolean;
  /** Cancels the verification, unless it has already started. */
  cancel(): void;
}

interface JpegVerifierOptions {
  /** Maximum number of concurrent decodes; default 2. */
  readonly maxDecoders?: number;
  /**
   * Maximum number of pixels of a JPEG, by lane; default 2^26 for frames, the limit of streams, and 2^24 for return
   * data.
   */
  readonly maxPixels?: Readonly<Record<JpegLane, number>>;
}

/**
 * Maximum number of waiting verifications of the lane `returns`, per key and in total. Those of frames are bounded,
 * because each stream has one waiting.
 */
const MAX_WAITING_PER_KEY = 16;
const MAX_WAITING_RETURNS = 256;

const PROGRAM = fileURLToPath(new URL('./jpeg-decoder-main.js', import.meta.url));

/**
 * Timeout of a decode, including the start of its process. Within the limits of {@link readJpegHeader}, a decode takes
 * less than half a second on a machine that is not overloaded.
 */
const MAX_DECODE_MS = 30_000;

/**
 * Decodes JPEGs from untrusted encoders once, to ensure that a NetGear peer can decode them: VidGear's decoder
 * (simplejpeg) treats libjpeg's warnings as errors, and one error permanently ends its thread.
 *
 * Decodes run in separate processes, so they do not delay frames or files on libuv's thread pool, and can be ended
 * at any time. The processes start with the first verification, or {@link JpegVerifier.prepare}, and keep this one
 * alive only while they work.
 */
export class JpegVerifier implements AsyncDisposable {
  readonly #maxDecoders: number;
  readonly #maxPixels: Readonly<Record<JpegLane, number>>;
  readonly #decoders: Decoder[] = [];
  readonly #waiting: Readonly<Record<JpegLane, FairQueue<Job>>> = { frames: new FairQueue(), returns: new FairQueue() };
  #returnsRunning = 0;
  #lastLane: JpegLane = 'returns';
  #closing: Promise<void> | null = null;

  constructor({ maxDecoders = 2, maxPixels = { frames: 1 << 26, returns: 1 << 24 } }: JpegVerifierOptions = {}) {
    this.#maxDecoders = maxDecoders;
    this.#maxPixels = maxPixels;
  }

  /**
   * Verifies a JPEG: its header immediately, its data as soon as a decoder is free. The bytes are not copied and must
   * not change before there is a verdict.
   *
   * Verdicts carry `jpeg-invalid`, `jpeg-too-complex`, `jpeg-unverifiable` (CMYK), `too-large` (pixels), `too-many`
   * (waiting return data), or `decoder-failed`.
   */
  verify(jpeg: Uint8Array, { lane, key, colorspace }: VerifyOptions): JpegVerification {
    if (this.#closing !== null) return decided(null);
    try {
      const { width, height, components } = readJpegHeader(jpeg, colorspace);
      const pixels = width * height;
      if (pixels > this.#maxPixels[lane])
        throw new GearwayError(
          'too-large',
          `the JPEG is ${width}×${height} pixels, expected at most ${this.#maxPixels[lane]} in total`,
        );
      if (components === 4)
        throw new GearwayError(
          'jpeg-unverifiable',
          'the JPEG has 4 components (CMYK), which the verification does not support: set check to false, or send an array',
        );
      if (lane === 'returns') this.#checkReturn(key);
      const job = new Job({ jpeg, pixels, lane }, () => this.#waiting[lane].remove(key, job));
      this.#waiting[lane].add(key, job);
      this.#start();
      return job;
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      return decided({ isGood: false, error });
    }
  }

  /** Starts a decoder's process, unless there is one. The start takes several frame intervals. */
  prepare(): void {
    if (this.#decoders.length === 0 && this.#closing === null) this.#addDecoder();
  }

  /** Ends the decoders, even while they are working, and drops pending verifications. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const lane of Object.values(this.#waiting))
      for (let job = lane.take(); job !== undefined; job = lane.take()) job.settle(null);
    await Promise.all(this.#decoders.splice(0).map((decoder) => decoder.close()));
  }

  #checkReturn(key: unknown): void {
    const { returns } = this.#waiting;
    if (returns.sizeOf(key) >= MAX_WAITING_PER_KEY || returns.size >= MAX_WAITING_RETURNS)
      throw new GearwayError('too-many', 'too many returned JPEGs wait for verification; send fewer');
  }

  #start(): void {
    for (;;) {
      const decoder = this.#freeDecoder();
      if (decoder === null) return;
      const job = this.#takeJob();
      if (job === undefined) return;
      runInBackground(this.#run(job, decoder), () => job.settle(null));
    }
  }

  /** The lanes take turns, so that neither starves the other. */
  #takeJob(): Job | undefined {
    const { frames, returns } = this.#waiting;
    const mayReturn = this.#returnsRunning === 0 && returns.size > 0;
    const isReturnsTurn = mayReturn && (this.#lastLane === 'frames' || frames.size === 0);
    const job = isReturnsTurn ? returns.take() : frames.take();
    if (job !== undefined) this.#lastLane = job.picture.lane;
    return job;
  }

  /** @returns undefined if another decoder may be started; null if all are busy. */
  #freeDecoder(): Decoder | undefined | null {
    const free = this.#decoders.find(({ isBusy }) => !isBusy);
    return free ?? (this.#decoders.length < this.#maxDecoders ? undefined : null);
  }

  #addDecoder(): Decoder {
    const decoder: Decoder = new Decoder(() => {
      const index = this.#decoders.indexOf(decoder);
      if (index >= 0) this.#decoders.splice(index, 1);
    });
    this.#decoders.push(decoder);
    return decoder;
  }

  /** @param free an idle decoder; undefined to start a new one. */
  async #run(job: Job, free: Decoder | undefined): Promise<void> {
    const isReturn = job.picture.lane === 'returns';
    if (isReturn) this.#returnsRunning += 1;
    job.isStarted = true;
    let verdict: JpegVerdict | null;
    try {
      const decoder = free ?? this.#addDecoder();
      verdict = (await decoder.decode(job.picture))
        ? { isGood: true }
        : {
            isGood: false,
            error: new GearwayError(
              'jpeg-invalid',
              'the JPEG is damaged, or of a kind that a NetGear client cannot decode',
            ),
          };
    } catch (error) {
      verdict = {
        isGood: false,
        error: new GearwayError(
          'decoder-failed',
          `the JPEG was not verified, the decoder failed: ${errorText(error)}`,
          { cause: error },
        ),
      };
    }
    if (isReturn) this.#returnsRunning -= 1;
    job.settle(this.#closing === null ? verdict : null);
    if (this.#closing === null) this.#start();
  }
}

function decided(verdict: JpegVerdict | null): JpegVerification {
  return { verdict: Promise.resolve(verdict), isStarted: true, cancel: () => undefined };
}

interface Picture {
  readonly jpeg: Uint8Array;
  readonly pixels: number;
  readonly lane: JpegLane;
}

class Job implements JpegVerification {
  readonly picture: Picture;
  readonly verdict: Promise<JpegVerdict | null>;
  isStarted = false;
  readonly #remove: () => void;
  #resolve: (verdict: JpegVerdict | null) => void = () => undefined;

  constructor(picture: Picture, remove: () => void) {
    this.picture = picture;
    this.#remove = remove;
    this.verdict = new Promise((resolve) => (this.#resolve = resolve));
  }

  cancel(): void {
    if (this.isStarted) return;
    this.#remove();
    this.settle(null);
  }

  settle(verdict: JpegVerdict | null): void {
    this.#resolve(verdict);
  }
}

/** Queue that serves its keys in turn, and each key's items in order. */
class FairQueue<T> {
  readonly #items = new Map<unknown, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(key: unknown): number {
    return this.#items.get(key)?.length ?? 0;
  }

  add(key: unknown, item: T): void {
    const items = this.#items.get(key);
    if (items === undefined) this.#items.set(key, [item]);
    else items.push(item);
    this.#size += 1;
  }

  take(): T | undefined {
    const [next] = this.#items;
    if (next === undefined) return undefined;
    const [key, items] = next;
    const item = items.shift();
    // The key moves to the end of the queue.
    this.#items.delete(key);
    if (items.length > 0) this.#items.set(key, items);
    this.#size -= 1;
    return item;
  }

  remove(key: unknown, item: T): void {
    const items = this.#items.get(key);
    const index = items?.indexOf(item) ?? -1;
    if (items === undefined || index < 0) return;
    items.splice(index, 1);
    if (items.length === 0) this.#items.delete(key);
    this.#size -= 1;
  }
}

interface RunningDecode {
  readonly resolve: (isGood: boolean) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** A process that decodes one JPEG at a time. */
class Decoder {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #running: RunningDecode | null = null;

  /** @param onEnded called when the process has ended for any reason, or could not start. */
  constructor(onEnded: () => void) {
    this.#child = fork(PROGRAM, [], { execArgv: [], stdio: ['pipe', 'pipe', 'ignore', 'ipc'] });
    // Pipes instead of an IPC channel: they are read to their end, and cost less than messages.
    if (this.#child.connected) this.#child.disconnect();
    const fail = (error: Error): void => {
      onEnded();
      this.#take()?.reject(error);
    };
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        fail(error);
        resolve();
      });
      this.#child.once('exit', (code, signal) => {
        fail(new Error(`the decoder ended with ${signal ?? `code ${code}`}`));
        resolve();
      });
    });
    this.#child.stdin?.on('error', () => undefined); // followed by 'exit'
    this.#child.stdout?.on('data', (answer: Buffer) => this.#take()?.resolve(answer[0] === 1));
    this.#keepAlive(false);
  }

  get isBusy(): boolean {
    return this.#running !== null;
  }

  /** Rejects when the process cannot start, ends, or takes too long. */
  decode({ jpeg, pixels }: Picture): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), MAX_DECODE_MS);
      this.#running = { resolve, reject, timer };
      this.#keepAlive(true);
      const head = Buffer.allocUnsafe(8);
      head.writeUInt32BE(jpeg.byteLength, 0);
      head.writeUInt32BE(pixels, 4);
      const stdin = this.#child.stdin;
      stdin?.cork();
      stdin?.write(head);
      stdin?.write(jpeg);
      stdin?.uncork();
    });
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    // Otherwise a process that waits for nothing else would exit here with status 0, without reporting its error.
    this.#keepAlive(true);
    await this.#ended;
  }

  #take(): RunningDecode | null {
    const running = this.#running;
    this.#running = null;
    if (running !== null) clearTimeout(running.timer);
    this.#keepAlive(false);
    return running;
  }

  #keepAlive(isWanted: boolean): void {
    const { stdin, stdout } = this.#child;
    for (const handle of [this.#child, stdin, stdout]) {
      if (handle !== this.#child && !(handle instanceof Socket)) continue;
      if (isWanted) handle.ref();
      else handle.unref();
    }
  }
}

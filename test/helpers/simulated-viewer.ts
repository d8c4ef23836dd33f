import { EventEmitter } from 'node:events';
import { vi } from 'vitest';
import type { WebSocket } from 'ws';
import type { ViewerBinding } from '../../gateway/clients/web/viewer-binding.ts';
import { DEFAULT_WEB_CLIENT_LIMITS, WebClient } from '../../gateway/clients/web/web-client.ts';
import type { Rendition } from '../../gateway/clients/renditions.ts';
import type { Frame } from '../../gateway/hub/frame.ts';
import { expectedBytes, type Step, stepName, type VideoStep } from '../../gateway/renditions/ladder.ts';
import type { SharedEncoding, VideoChunk, VideoSubscriber } from '../../gateway/renditions/rendition.ts';
import { UserBudget } from '../../gateway/rights/user-budget.ts';
import { encodeMessage, feature } from '../../shared/protocol.ts';
import { createRandom } from './jpeg-builder.ts';
import { Bottleneck, DelayLine, type SimulatedLink } from './simulated-link.ts';
import { zeros } from './zeros.ts';

const FPS = 30;
const SIZE = { width: 1280, height: 720 } as const;

/** Time in which an encoder encodes a picture, and in which a viewer decodes one. */
const ENCODE_MS = 12;
const DECODE_MS = 8;

/** As in `VideoEncoding` and `H264Encoder`. */
const KEY_INTERVAL_MS = 500;
const START_MS = 80;
const BUFFER_SECONDS = 0.2;

/** Bytes of a key frame in relation to the mean frame, if the rate control allows it. */
const KEY_RATIO = 8;

/** Size of a message to the viewer that is not a frame, in bytes. */
const SMALL_BYTES = 20;

/** A picture that the viewer has shown. */
export interface SimulatedPicture {
  readonly sequence: number;
  readonly atMs: number;
  /** Time since the source delivered the frame. */
  readonly latencyMs: number;
  readonly step: string;
}

interface Sent {
  readonly kind: 'frame' | 'ping' | 'other';
  bytes: number;
  readonly ping?: Buffer;
  readonly frame?: SentFrame;
}

interface SentFrame {
  readonly sequence: number;
  readonly step: string;
  /** Null for a JPEG. */
  readonly video: { readonly isKey: boolean; readonly previous: number } | null;
}

/** H.264 whose sizes are simulated; the rules for key frames and the rate control are those of the real encoder. */
class SimulatedEncoding implements SharedEncoding {
  readonly step: VideoStep;
  readonly #subscribers = new Set<VideoSubscriber>();
  readonly #startedAtMs: number;
  readonly #random: () => number;
  #needsKey = true;
  #keyAtMs = -Infinity;
  #previous = 0;
  /** Number of bytes that the rate control's buffer allows at present. */
  #allowed: number;
  readonly #encoded: { readonly dueMs: number; readonly chunk: VideoChunk; readonly previous: number }[] = [];
  /** Number of the chunk that precedes each chunk. */
  readonly previous = new WeakMap<VideoChunk, number>();
  unusedSinceMs: number | null = null;

  constructor(step: VideoStep, nowMs: number, random: () => number) {
    this.step = step;
    this.#startedAtMs = nowMs;
    this.#random = random;
    this.#allowed = (step.bitsPerSecond / 8) * BUFFER_SECONDS;
  }

  subscribe(subscriber: VideoSubscriber): void {
    this.#subscribers.add(subscriber);
    this.unusedSinceMs = null;
    this.requestKey();
  }

  unsubscribe(subscriber: VideoSubscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size === 0) this.unusedSinceMs = performance.now();
  }

  requestKey(): void {
    this.#needsKey = true;
  }

  offer(frame: Frame, nowMs: number): void {
    const mean = this.step.bitsPerSecond / 8 / FPS;
    const most = (this.step.bitsPerSecond / 8) * BUFFER_SECONDS;
    this.#allowed = Math.min(most, this.#allowed + mean);
    const isFirst = this.#previous === 0;
    const isKey = isFirst || (this.#needsKey && nowMs - this.#keyAtMs >= KEY_INTERVAL_MS);
    if (isKey) {
      this.#needsKey = false;
      this.#keyAtMs = nowMs;
    }
    const wanted = mean * (isKey ? KEY_RATIO : 0.7 + 0.6 * this.#random());
    const bytes = Math.max(200, Math.min(wanted, this.#allowed));
    this.#allowed -= bytes;
    const chunk: VideoChunk = {
      ...frame,
      encoding: { kind: 'h264', isKey },
      rendition: { rendition: stepName(this.step), pictureWidth: 0, pictureHeight: 0 },
      payload: zeros(Math.round(bytes)),
    };
    const dueMs = Math.max(nowMs + ENCODE_MS, this.#startedAtMs + START_MS);
    this.#encoded.push({ dueMs, chunk, previous: this.#previous });
    this.#previous = frame.sequence;
  }

  run(nowMs: number): void {
    for (let [next] = this.#encoded; next !== undefined && next.dueMs <= nowMs; [next] = this.#encoded) {
      this.#encoded.shift();
      this.previous.set(next.chunk, next.previous);
      for (const subscriber of this.#subscribers) subscriber.chunk(next.chunk);
    }
  }
}

/**
 * The gateway's side of a viewer's connection, and a viewer that decodes and acknowledges every frame, at the ends of a
 * simulated link, in steps of a millisecond of fake time. TCP accepts all data, and delivers it in order.
 *
 * Requires Vitest's fake timers, `performance` included.
 */
export class SimulatedViewer {
  readonly shown: SimulatedPicture[] = [];
  /** Chunks that could not be decoded, because those before them had not arrived. */
  broken = 0;
  readonly client: WebClient;
  readonly #socket = new EventEmitter() as EventEmitter & {
    readyState: number;
    bufferedAmount: number;
    send: (data: Uint8Array) => void;
    ping: (data: Buffer) => void;
    close: () => void;
    terminate: () => void;
  };
  readonly #random: () => number;
  readonly #encodings = new Map<string, SimulatedEncoding>();
  readonly #frames = new WeakMap<Uint8Array, SentFrame>();
  readonly #sourceBytes: number;
  readonly #hasVideo: boolean;
  /** Offset between the gateway's timers and the frames. */
  readonly #phaseMs: number;
  readonly #startMs = performance.now();
  #isOpen = false;
  #sequence = 0;
  #latest: Frame | null = null;
  #begun: SentFrame | null = null;
  /** Messages that were sent but not yet transmitted. */
  readonly #queue = new Bottleneck<Sent>();
  readonly #down: DelayLine<Sent>;
  readonly #up: DelayLine<() => void>;
  /** Number of the last decoded chunk of each step. */
  readonly #decoded = new Map<string, number>();
  #drawn = 0;

  constructor({
    sourceBytes = 129_000,
    hasVideo = true,
    phaseMs = 0,
    seed = 1,
  }: { sourceBytes?: number; hasVideo?: boolean; phaseMs?: number; seed?: number } = {}) {
    this.#sourceBytes = sourceBytes;
    this.#hasVideo = hasVideo;
    this.#phaseMs = phaseMs;
    this.#random = createRandom(seed);
    this.#down = new DelayLine(this.#random);
    this.#up = new DelayLine(this.#random);
    Object.assign(this.#socket, {
      readyState: 1,
      bufferedAmount: 0,
      send: () => this.#queue.push({ kind: 'other', bytes: SMALL_BYTES }),
      ping: (data: Buffer) => this.#queue.push({ kind: 'ping', bytes: SMALL_BYTES, ping: data }),
      close: () => undefined,
      terminate: () => undefined,
    });
    this.client = new WebClient(this.#socket as unknown as WebSocket, {
      binding: this.#binding(),
      transport: {
        writableLength: 0,
        cork: () => undefined,
        uncork: () => undefined,
        write: (bytes) => this.#write(bytes),
      },
      limits: DEFAULT_WEB_CLIENT_LIMITS,
      verifyJpeg: () => {
        throw new Error('this viewer returns no pictures');
      },
    });
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Reason for the viewer's rendition, as the console shows it. */
  get reason(): string {
    return this.client.figures().reason;
  }

  /** @param link of each millisecond, since the beginning. */
  async run(forMs: number, link: (nowMs: number) => SimulatedLink): Promise<readonly SimulatedPicture[]> {
    const from = this.shown.length;
    if (!this.#isOpen) this.#open(link(this.nowMs));
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs;) {
      vi.advanceTimersByTime(1);
      const now = this.nowMs;
      const current = link(now);
      for (const sent of this.#queue.carry(current.bitsPerSecond)) this.#down.push(sent, now, current);
      this.#deliver(current, now);
      for (const encoding of this.#encodings.values()) encoding.run(performance.now());
      if (Math.floor(((now - this.#phaseMs) * FPS) / 1000) > this.#sequence) this.#publish();
      // Renditions are promises.
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    }
    return this.shown.slice(from);
  }

  /** The hello arrives a round trip after the gateway's answer to the request. */
  #open({ delayMs }: SimulatedLink): void {
    this.#isOpen = true;
    const want = { video: this.#hasVideo, ...SIZE };
    const hello = encodeMessage({ type: 'hello', spectate: true, features: [feature.renditions], want });
    this.#up.push(() => this.#receive(hello), this.nowMs, { delayMs: 2 * delayMs });
  }

  #publish(): void {
    this.#sequence += 1;
    const frame: Frame = {
      sequence: this.#sequence,
      receivedAtUs: 0,
      ...SIZE,
      encoding: { kind: 'jpeg' },
      payload: zeros(this.#sourceBytes),
      message: null,
      wireHeader: null,
    };
    this.#latest = frame;
    for (const [name, encoding] of this.#encodings) {
      if (encoding.unusedSinceMs !== null && performance.now() - encoding.unusedSinceMs > 3000)
        this.#encodings.delete(name);
      else encoding.offer(frame, performance.now());
    }
    this.client.offer(frame);
  }

  #binding(): ViewerBinding {
    const bytesOf = (step: Step): number => expectedBytes(step, this.#sourceBytes);
    const rendition = (frame: Frame, step: Step, bytes: number): Rendition =>
      this.#rendition({ sequence: frame.sequence, step: stepName(step), video: null }, zeros(bytes));
    const binding = {
      addressKey: '127.0.0.1',
      stream: 'main',
      controlView: null,
      state: 'live',
      reason: '',
      makesRenditions: true,
      hasVideo: this.#hasVideo,
      latest: () => this.#latest,
      frameTimeMs: () => 1000 / FPS,
      enter: () => ({
        admitted: true,
        port: null,
        leaseKey: null,
        spectatorReason: null,
        rights: [],
        mayReturn: false,
        budget: new UserBudget('a viewer'),
      }),
      renditionsOf: () => 'pictures',
      bytesOf,
      video: (step: VideoStep) => this.#encoding(step),
      rendition: (frame: Frame) => rendition(frame, { kind: 'source' }, this.#sourceBytes),
      scaled: (frame: Frame, step: Step) => Promise.resolve(rendition(frame, step, Math.round(bytesOf(step)))),
      encoded: (chunk: VideoChunk) => {
        const name = chunk.rendition.rendition;
        const previous = this.#encodings.get(name)?.previous.get(chunk) ?? 0;
        const video = { isKey: chunk.encoding.isKey, previous };
        return this.#rendition({ sequence: chunk.sequence, step: name, video }, chunk.payload);
      },
      acknowledged: () => undefined,
      leave: () => undefined,
      reject: () => undefined,
    };
    return binding as unknown as ViewerBinding;
  }

  #encoding(step: VideoStep): SimulatedEncoding {
    const name = stepName(step);
    let encoding = this.#encodings.get(name);
    if (encoding === undefined)
      this.#encodings.set(name, (encoding = new SimulatedEncoding(step, performance.now(), this.#random)));
    return encoding;
  }

  #rendition(frame: SentFrame, payload: Uint8Array): Rendition {
    const begin = new Uint8Array(100);
    this.#frames.set(begin, frame);
    return { sequence: frame.sequence, begin, payload };
  }

  #write(bytes: Uint8Array): boolean {
    const begun = this.#frames.get(bytes);
    if (begun !== undefined) this.#begun = begun;
    else if (this.#begun !== null) {
      this.#queue.push({ kind: 'frame', bytes: bytes.byteLength + 100, frame: this.#begun });
      this.#begun = null;
    }
    return true;
  }

  #deliver(link: SimulatedLink, now: number): void {
    if (link.isStalled === true) return;
    for (const sent of this.#down.arrived(now)) {
      const answer = (arrive: () => void): void => this.#up.push(arrive, now, link);
      if (sent.ping !== undefined) answer(() => this.#socket.emit('pong', sent.ping));
      if (sent.frame !== undefined) {
        const { sequence } = sent.frame;
        this.#show(sent.frame, now + DECODE_MS);
        const ack = encodeMessage({ type: 'ack', sequence, painted: 0, skipped: 0, failed: 0, decodeMs: 8, waitMs: 0 });
        answer(() => this.#receive(ack));
      }
    }
    for (const arrive of this.#up.arrived(now)) arrive();
  }

  #show({ sequence, step, video }: SentFrame, atMs: number): void {
    if (video !== null) {
      if (!video.isKey && this.#decoded.get(step) !== video.previous) {
        this.broken += 1;
        return;
      }
      this.#decoded.clear();
      this.#decoded.set(step, sequence);
    }
    if (sequence <= this.#drawn) return;
    this.#drawn = sequence;
    this.shown.push({ sequence, atMs, latencyMs: atMs - this.#phaseMs - (sequence * 1000) / FPS, step });
  }

  #receive(data: Uint8Array): void {
    this.#socket.emit('message', Buffer.from(data), true);
  }
}

import { formatBitRate } from '../../../shared/bit-rate.ts';
import type { Delivery as DeliveryMessage, WantFields } from '../../../shared/protocol.ts';
import { MAX_FRAMES_PER_SECOND, type Quality } from '../../../shared/quality.ts';
import type { FrameOutline } from '../../hub/frame.ts';
import {
  jpegInstead,
  type JpegStep,
  ladder,
  PACKED,
  SOURCE,
  type Step,
  stepLabel,
  type VideoStep,
} from '../../renditions/ladder.ts';
import type { RenditionKind } from '../renditions.ts';
import { Adaptation, type AdaptationContext } from './adaptation.ts';
import type { Delivery, LinkEstimator } from './link-estimator.ts';

/** Assumed frame rate of a source before it is measured. */
const DEFAULT_FPS = 30;

/** A viewer counts as distant if the round trip of its greeting takes at least this long. */
const DISTANT_MS = 100;

/**
 * Maximum size of the first frame for a distant viewer, in bytes. A larger one is sent as a small JPEG, which arrives
 * sooner, and measures the link for the next frame.
 */
const MAX_OPENING_BYTES = 32 << 10;

/** Maximum width of the small JPEG that is sent instead of a large first frame. */
const OPENING_WIDTH = 640;

/** A page that acknowledges a frame this long after its arrival was busy. */
const BUSY_MS = 200;

/** A page counts as busy after two such frames within this time, until there has been none for as long. */
const BUSY_WINDOW_MS = 5000;

/** Acknowledgements within this time belong to the same pause of the page. */
const SAME_PAUSE_MS = 250;

/** The stream, as a viewer's delivery uses it. */
interface DeliveryStream {
  /** Mean interval of the source's frames; undefined before the second frame. */
  frameTimeMs(): number | undefined;
  /** Which renditions of this frame may be made. */
  renditionsOf(frame: FrameOutline): RenditionKind;
  /** Mean size of a step's frames in bytes; 0 while unknown. */
  bytesOf(step: Step): number;
  /** Whether H.264 can be encoded. */
  readonly hasVideo: boolean;
}

/** Limits of a viewer. */
interface Limits {
  /** Limit of the gateway; Infinity for none. */
  readonly maxBitsPerSecond: number;
  /** Whether the viewer shows packed arrays. */
  readonly unpacks: boolean;
}

/**
 * Decides which pictures a viewer gets: the frames or a rendition. Combines the viewer's requests with the measured
 * link, and describes the result as readable text.
 */
export class ViewerDelivery implements AdaptationContext {
  readonly #stream: DeliveryStream;
  readonly #adaptation: Adaptation;
  readonly #gatewayMaxBits: number;
  #quality: Quality = 'auto';
  #maxFramesPerSecond = MAX_FRAMES_PER_SECOND;
  #maxBitsPerSecond = Infinity;
  #shownWidth = 0;
  #shownHeight = 0;
  #width = 0;
  #height = 0;
  readonly #unpacks: boolean;
  #renditions: RenditionKind = 'pictures';
  /** Whether no frame has been sent to a distant viewer yet. */
  #isOpening: boolean;
  /** Whether the first frame was sent as a small JPEG or packed, and is not acknowledged yet. */
  #isOpeningSmall = false;
  #wantsVideo = false;
  #hasVideo = false;
  #steps: readonly Step[] = [SOURCE];
  /** The step of the latest frame that was sent in place of H.264; null while H.264 is sent. */
  #instead: JpegStep | null = null;
  #isEncoderSlow = false;
  #bitsPerSecond = 0;
  #bytesSinceReport = 0;
  #reportedAtMs: number;
  #reported = '';
  #pausedAtMs = -Infinity;
  #busyUntilMs = -Infinity;

  constructor(stream: DeliveryStream, link: LinkEstimator, { maxBitsPerSecond, unpacks }: Limits, nowMs: number) {
    this.#stream = stream;
    this.#gatewayMaxBits = maxBitsPerSecond;
    this.#unpacks = unpacks;
    this.#reportedAtMs = nowMs;
    this.#isOpening = link.minimumMs(nowMs) >= DISTANT_MS;
    this.#adaptation = new Adaptation(link, this);
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }

  get framesPerSecond(): number | undefined {
    const frameTimeMs = this.#stream.frameTimeMs();
    return frameTimeMs === undefined || frameTimeMs <= 0
      ? undefined
      : Math.min(this.#maxFramesPerSecond, 1000 / frameTimeMs);
  }

  get maxBitsPerSecond(): number {
    return Math.min(this.#maxBitsPerSecond, this.#gatewayMaxBits);
  }

  bytes(step: Step): number {
    // An encoder uses its whole bit rate at any frame rate.
    if (step.kind === 'h264') return step.bitsPerSecond / 8 / (this.framesPerSecond ?? DEFAULT_FPS);
    return this.#stream.bytesOf(step);
  }

  /** The JPEG step in place of an H.264 one that cannot be sent yet. */
  instead(step: VideoStep): JpegStep {
    this.#instead = jpegInstead(
      step,
      { width: this.#width, height: this.#height },
      this.framesPerSecond ?? DEFAULT_FPS,
      (jpeg) => this.bytes(jpeg),
    );
    return this.#instead;
  }

  wanted({ quality, video, maxFramesPerSecond, maxBitsPerSecond, width, height }: WantFields): void {
    if (video !== undefined) this.#wantsVideo = video;
    if (quality !== undefined) this.#quality = quality;
    if (maxFramesPerSecond !== undefined) this.#maxFramesPerSecond = maxFramesPerSecond;
    if (maxBitsPerSecond !== undefined) this.#maxBitsPerSecond = maxBitsPerSecond || Infinity;
    if (width !== undefined) this.#shownWidth = width;
    if (height !== undefined) this.#shownHeight = height;
    this.#updateSteps();
  }

  /** Chooses the step in which the next frame is sent. */
  choose(frame: FrameOutline): Step {
    const renditions = this.#stream.renditionsOf(frame);
    if (
      frame.width !== this.#width ||
      frame.height !== this.#height ||
      renditions !== this.#renditions ||
      this.#mayUseVideo() !== this.#hasVideo
    ) {
      this.#width = frame.width;
      this.#height = frame.height;
      this.#renditions = renditions;
      this.#updateSteps();
    }
    if (this.#isOpening) {
      this.#isOpening = false;
      this.#isOpeningSmall =
        this.#adaptation.step().kind === 'source' &&
        this.#steps.length > 1 &&
        frame.payload.byteLength > MAX_OPENING_BYTES;
    }
    if (!this.#isOpeningSmall) return this.#adaptation.step();
    return renditions === 'packed' ? PACKED : openingStep(frame.width);
  }

  /** Maximum frame rate that the bit rate of the smallest step allows; usually Infinity. */
  maxFramesPerSecond(): number {
    return this.#adaptation.maxFramesPerSecond();
  }

  /** Call for each chunk of H.264. @param isSlow whether its encoder is too slow for most frames. */
  videoSent(isSlow: boolean): void {
    this.#instead = null;
    this.#isEncoderSlow = isSlow;
  }

  sent(sequence: number, bytes: number): void {
    this.#bytesSinceReport += bytes;
    this.#adaptation.sent(sequence);
  }

  delivered(delivery: Delivery, nowMs: number): void {
    if (delivery.pageMs > BUSY_MS) this.#notePause(nowMs);
    if (this.#isOpeningSmall) {
      this.#isOpeningSmall = false;
      this.#adaptation.opened(delivery, nowMs);
      return;
    }
    this.#adaptation.delivered(delivery, nowMs);
  }

  /** See {@link Adaptation.waiting}. */
  waiting(sinceMs: number, bytes: number, nowMs: number): void {
    this.#adaptation.waiting(sinceMs, bytes, nowMs);
  }

  isLimited(nowMs: number): boolean {
    return this.#adaptation.isLimited(nowMs);
  }

  /**
   * `JPEG 640×360 q50, 1.1 Mbit/s: link 1.4 Mbit/s`; empty while the viewer gets the source's frames and nothing limits
   * them. A busy page gets frames in the same step as any other page, but fewer, because it acknowledges fewer.
   */
  describe(nowMs: number): string {
    const step = this.#adaptation.step();
    const isLimited = this.isLimited(nowMs);
    if (step.kind === 'source' && !isLimited && !this.#isBusy(nowMs)) return '';
    return `${this.#label(step)}, ${formatBitRate(this.#bitsPerSecond)}: ${this.#cause(isLimited, nowMs)}${this.#isSlow(step) ? ', slow encoder' : ''}`;
  }

  /** Call once per second. @returns the information to report to the viewer; null if nothing has changed. */
  report(nowMs: number): DeliveryMessage | null {
    const seconds = (nowMs - this.#reportedAtMs) / 1000;
    if (seconds > 0) this.#bitsPerSecond = (this.#bytesSinceReport * 8) / seconds;
    this.#bytesSinceReport = 0;
    this.#reportedAtMs = nowMs;
    const text = this.describe(nowMs);
    if (text === this.#reported) return null;
    this.#reported = text;
    const throughput = this.#adaptation.throughput(nowMs);
    return {
      type: 'delivery',
      text,
      isLimited: this.isLimited(nowMs),
      ...(throughput === null ? {} : { linkBitsPerSecond: Math.round(throughput) }),
    };
  }

  #notePause(nowMs: number): void {
    const sinceMs = nowMs - this.#pausedAtMs;
    if (sinceMs > SAME_PAUSE_MS && sinceMs < BUSY_WINDOW_MS) this.#busyUntilMs = nowMs + BUSY_WINDOW_MS;
    this.#pausedAtMs = nowMs;
  }

  #isBusy(nowMs: number): boolean {
    return nowMs < this.#busyUntilMs;
  }

  #label(step: Step): string {
    const size = { width: this.#width, height: this.#height };
    return step.kind === 'h264' && this.#instead !== null
      ? `${stepLabel(this.#instead, size)} until H.264 is available`
      : stepLabel(step, size);
  }

  #isSlow({ kind }: Step): boolean {
    return kind === 'h264' && this.#instead === null && this.#isEncoderSlow;
  }

  #cause(isLimited: boolean, nowMs: number): string {
    const throughput = this.#adaptation.throughput(nowMs);
    if (isLimited) return throughput === null ? 'slow link' : `link ${formatBitRate(throughput)}`;
    if (this.#isBusy(nowMs)) return 'busy page';
    const max = this.maxBitsPerSecond;
    return max === Infinity ? 'as requested by the viewer' : `limited to ${formatBitRate(max)}`;
  }

  #updateSteps(): void {
    if (this.#width === 0) return;
    const [width, height, shownWidth, shownHeight] = [this.#width, this.#height, this.#shownWidth, this.#shownHeight];
    const options = { quality: this.#quality, width, height, shownWidth, shownHeight };
    this.#hasVideo = this.#mayUseVideo();
    if (this.#renditions === 'pictures') this.#steps = ladder({ ...options, hasVideo: this.#hasVideo });
    else this.#steps = this.#mayPack() ? [SOURCE, PACKED] : [SOURCE];
    const last = this.#steps.at(-1);
    // Below the lowest bit rate of H.264, only a few small JPEGs per second are possible.
    if (last?.kind === 'h264' && last.bitsPerSecond > this.maxBitsPerSecond) this.#steps = ladder(options);
  }

  /** `source` is for unmodified frames. */
  #mayPack(): boolean {
    return this.#renditions === 'packed' && this.#unpacks && this.#quality !== 'source';
  }

  /** H.264 is not used with a limited frame rate, because chunks cannot be left out. */
  #mayUseVideo(): boolean {
    return this.#wantsVideo && this.#stream.hasVideo && this.#maxFramesPerSecond >= MAX_FRAMES_PER_SECOND;
  }
}

/** The largest JPEG of medium quality up to {@link OPENING_WIDTH}. */
function openingStep(width: number): JpegStep {
  const divisor = ([1, 2, 4] as const).find((by) => width / by <= OPENING_WIDTH) ?? 8;
  return { kind: 'jpeg', divisor, quality: 50 };
}

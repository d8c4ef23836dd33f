import type { EncodingSettings } from '../../capture/capture-types.ts';
import type { EncodingLimits } from '../publisher-messages.ts';
import type { SendingStats } from '../publisher-stats.ts';
import type { EncodedPicture } from '../../capture/jpeg-encoder.ts';
import { UplinkRate } from './uplink-rate.ts';
import { UplinkSteps } from './uplink-steps.ts';

/** Encoding settings of a publisher: the requested settings, lowered if the link does not carry them. */
export class Uplink {
  #rate = new UplinkRate();
  readonly #setFps: (fps: number) => void;
  #limits: EncodingLimits;
  #isScreen = false;
  #steps: UplinkSteps;
  #fps: number;

  /** @param setFps called when the frame rate has changed. */
  constructor(limits: EncodingLimits, setFps: (fps: number) => void) {
    this.#limits = limits;
    this.#setFps = setFps;
    this.#steps = new UplinkSteps(limits, false);
    this.#fps = limits.fps;
  }

  get settings(): EncodingSettings {
    return this.#steps.settings;
  }

  /** Restarts with the requested settings, if they have changed. */
  configure(limits: EncodingLimits): void {
    if (isSame(limits, this.#limits)) return;
    this.#limits = limits;
    this.#restart();
  }

  set isScreen(isScreen: boolean) {
    if (isScreen === this.#isScreen) return;
    this.#isScreen = isScreen;
    this.#restart();
  }

  /** Called for a new connection. @param roundTripMs round trip of its greeting. */
  connected(roundTripMs: number, nowMs: number): void {
    this.#rate = new UplinkRate(roundTripMs, nowMs);
  }

  /** Records the round trip of a ping. */
  roundTrip(ms: number, nowMs: number): void {
    this.#rate.roundTrip(ms, nowMs);
  }

  /** Encodes with the settings for the current state of the link. */
  async encode(
    nowMs: number,
    encode: (settings: EncodingSettings) => Promise<EncodedPicture>,
  ): Promise<EncodedPicture> {
    this.update(nowMs);
    const steps = this.#steps;
    const { index } = steps;
    const encoded = await encode(steps.settings);
    // The size belongs to the step with which the picture was encoded.
    if (steps.index === index) steps.encoded(encoded.jpeg.byteLength);
    return encoded;
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    this.#rate.sent(sequence, bytes, nowMs);
  }

  taken(sequence: number, nowMs: number): void {
    this.#rate.taken(sequence, nowMs);
    this.update(nowMs);
  }

  update(nowMs: number): void {
    const { maxBitsPerSecond, isFixed } = this.#limits;
    if (isFixed) return;
    const link = { ...this.#rate.measured(nowMs), queueingMs: this.#rate.queueingMs, maxBitsPerSecond };
    if (this.#steps.update(link, nowMs)) this.#applyFps();
  }

  stats(nowMs: number): Pick<SendingStats, 'quality' | 'linkBitsPerSecond' | 'loweredBy'> {
    const { maxBitsPerSecond } = this.#limits;
    const { bitsPerSecond: linkBitsPerSecond } = this.#rate.measured(nowMs);
    const isCapped = maxBitsPerSecond !== null && (linkBitsPerSecond === null || maxBitsPerSecond < linkBitsPerSecond);
    const loweredBy = this.#steps.index === 0 ? null : isCapped ? 'max-bitrate' : 'link';
    return { quality: this.#steps.settings.quality, linkBitsPerSecond, loweredBy };
  }

  #restart(): void {
    this.#steps = new UplinkSteps(this.#limits, this.#isScreen);
    this.#applyFps();
  }

  #applyFps(): void {
    const { fps } = this.#steps.settings;
    if (fps === this.#fps) return;
    this.#fps = fps;
    this.#setFps(fps);
  }
}

function isSame(one: EncodingLimits, other: EncodingLimits): boolean {
  const isSameSettings = one.fps === other.fps && one.quality === other.quality && one.shortSide === other.shortSide;
  return isSameSettings && one.maxBitsPerSecond === other.maxBitsPerSecond && one.isFixed === other.isFixed;
}

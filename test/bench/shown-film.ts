import { setTimeout as delay } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import type { Line, Target } from './report.ts';
import { type HandedOver, type Shown, startScreencast } from './shown-delays.ts';

/** A picture on the screen, and its age when it was shown. */
export interface ShownFrame {
  readonly atMs: number;
  readonly latencyMs: number;
}

/** A page that shows a film; its frames are those on the screen. */
export interface FilmPage extends AsyncDisposable {
  /** When the page's address was opened, by the machine's clock. */
  readonly openedAtMs: number;
  /** The shown frames. The list grows while the page is open. */
  readonly shown: readonly Shown[];
  /** Settles with the first picture that has a number. */
  first(): Promise<Shown>;
  /** Settles after this time, but not before a picture has been shown since the call. */
  watch(seconds: number): Promise<void>;
  /** The picture that the viewer or the video shows now, as PNG in the size that was sent to it. */
  snapshot(): Promise<Buffer>;
  /** Returns values, one every `everyMs`, and waits until all are acknowledged. */
  probe(count: number, everyMs: number): Promise<Probe[]>;
}

/** A value `{ probe }` that the viewer has returned. */
export interface Probe {
  readonly probe: number;
  /** Time by the machine's clock. */
  readonly atMs: number;
  /** Time until the gateway's answer. */
  readonly roundTripMs: number;
}

/** Timeout for a picture. */
const PICTURE_TIMEOUT_MS = 30_000;

/** An expression for the page: the picture of its viewer or of its video, base64. */
const SNAPSHOT = `(async () => {
  const pictureOf = async (video) => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d').drawImage(video, 0, 0);
    return canvas.convertToBlob();
  };
  const viewer = document.querySelector('gearway-viewer');
  const blob = viewer ? (await viewer.snapshot()).blob : await pictureOf(document.querySelector('video'));
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
})()`;

const PROBE = `(count, everyMs) => {
  const viewer = document.querySelector('gearway-viewer');
  return Promise.all(Array.from({ length: count }, async (_, probe) => {
    await new Promise((resolve) => setTimeout(resolve, probe * everyMs));
    const fromMs = performance.now();
    await viewer.send({ probe });
    return { probe, atMs: performance.timeOrigin + fromMs, roundTripMs: performance.now() - fromMs };
  }));
}`;

/**
 * Keeps WebRTC on the link, whose port is that of the page: on one machine, the page and its peer would otherwise connect
 * directly. The page sends none of its addresses, as behind NAT, and uses only those of its peer with this port.
 */
const WEBRTC_BY_LINK = `{
  const { addEventListener } = EventTarget.prototype;
  const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype;
  const isDirect = (line) => /^(a=)?candidate:/.test(line) && line.split(' ')[5] !== location.port;
  Object.assign(RTCPeerConnection.prototype, {
    addEventListener(type, ...rest) {
      if (type !== 'icecandidate') addEventListener.call(this, type, ...rest);
    },
    async addIceCandidate(init) {
      if (!isDirect(init.candidate)) await addIceCandidate.call(this, init);
    },
    setRemoteDescription({ type, sdp }) {
      return setRemoteDescription.call(this, { type, sdp: sdp.split('\\r\\n').filter((line) => !isDirect(line)).join('\\r\\n') });
    },
  });
}`;

/** Opens a page in a fresh profile, so that nothing is cached, in a window of the film's size. */
export async function openFilmPage(browser: Browser, url: string): Promise<FilmPage> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage({ type: 'window' });
  await page.setViewport({ width: 1280, height: 720 });
  await page.evaluateOnNewDocument(WEBRTC_BY_LINK);
  const client = await page.createCDPSession();
  const shown = await startScreencast(client);
  const openedAtMs = Date.now();
  // Fails if the page has already been closed.
  page.goto(url, { timeout: PICTURE_TIMEOUT_MS }).catch(() => undefined);
  const shownFrom = async (index: number): Promise<Shown> => {
    for (const deadline = performance.now() + PICTURE_TIMEOUT_MS; ; await delay(20)) {
      const picture = shown[index];
      if (picture !== undefined) return picture;
      if (performance.now() > deadline)
        throw new Error(`${url} showed no picture with a number within ${PICTURE_TIMEOUT_MS / 1000} s`);
    }
  };
  return {
    openedAtMs,
    shown,
    first: () => shownFrom(0),
    async watch(seconds) {
      const { length } = shown;
      await delay(seconds * 1000);
      await shownFrom(length);
    },
    async snapshot() {
      return Buffer.from((await page.evaluate(SNAPSHOT)) as string, 'base64');
    },
    async probe(count, everyMs) {
      return (await page.evaluate(`(${PROBE})(${count}, ${everyMs})`)) as Probe[];
    },
    async [Symbol.asyncDispose]() {
      await client.detach();
      await context.close();
    },
  };
}

/**
 * The age of each picture on the screen. A film repeats its numbers, so a picture is matched with the latest earlier
 * frame of its number.
 */
export function agesOf(handedOver: readonly HandedOver[], shown: readonly Shown[]): ShownFrame[] {
  return shown.flatMap(({ number, atMs }) => {
    const handed = handedOver.findLast((one) => one.number === number && one.atMs <= atMs);
    return handed === undefined ? [] : [{ atMs, latencyMs: atMs - handed.atMs }];
  });
}

/** The longest time without a new picture, from `fromMs` to `toMs`. */
export function longestFreezeMs(frames: readonly ShownFrame[], fromMs: number, toMs: number): number {
  const times = [fromMs, ...frames.map(({ atMs }) => atMs).filter((atMs) => atMs > fromMs && atMs < toMs), toMs];
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs)));
}

/** Number of decimals of each unit. */
const DIGITS = { fps: 1, ms: 0, SSIM: 3, 'Mbit/s': 2 } as const;

/** A report line for one figure, from the measurements of all rounds. */
export function filmLine<Figure extends string>(
  rounds: readonly Readonly<Record<Figure, number>>[],
  figure: Figure,
  what: string,
  unit: keyof typeof DIGITS,
  targets: readonly Target[] = [],
): Line {
  return comparedLine({ Gearway: rounds }, figure, what, unit, targets);
}

/** A report line for one figure of several programs, Gearway first. */
export function comparedLine<Figure extends string>(
  measured: Readonly<Record<string, readonly Readonly<Record<Figure, number>>[]>>,
  figure: Figure,
  what: string,
  unit: keyof typeof DIGITS,
  targets: readonly Target[] = [],
): Line {
  return {
    what,
    unit,
    digits: DIGITS[unit],
    series: Object.entries(measured).map(([name, rounds]) => ({ name, values: rounds.map((one) => one[figure]) })),
    targets,
  };
}

/** Maximum latency and minimum rate of a current picture, and how long they must last after a change of the link. */
const CURRENT = { latencyMs: 500, forMs: 2000, framesPerSecond: 8 } as const;

/** Time from `fromMs` until the picture is current and remains so for two seconds; null if it never is. */
export function recoveryMs(frames: readonly ShownFrame[], fromMs: number, toMs: number): number | null {
  for (const { atMs } of frames) {
    if (atMs < fromMs || atMs + CURRENT.forMs > toMs) continue;
    const behind = frames.filter((frame) => frame.atMs >= atMs && frame.atMs < atMs + CURRENT.forMs);
    const isCurrent =
      behind.every(({ latencyMs }) => latencyMs <= CURRENT.latencyMs) &&
      behind.length >= (CURRENT.framesPerSecond * CURRENT.forMs) / 1000;
    if (isCurrent) return atMs - fromMs;
  }
  return null;
}

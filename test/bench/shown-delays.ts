import { setTimeout as delay } from 'node:timers/promises';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { CDPSession, Page } from 'puppeteer-core';
import { NUMBERS, readNumber } from './picture-number.ts';
import { NoValuesError } from './statistics.ts';

/** A frame, and the time at which the program had captured it, before any processing, by the machine's clock. */
export interface HandedOver {
  readonly number: number;
  readonly atMs: number;
}

/** First appearance of a picture on the screen. Its number starts over after `NUMBERS`. */
export interface Shown {
  readonly number: number;
  readonly atMs: number;
}

/** A path from a program to a page. */
export interface Feed {
  /** Starts to hand over frames, and to show them in the page. */
  open(page: Page, fps: number): Promise<void>;
  /** Closes the path. @returns the frames handed over, possibly including earlier ones. */
  close(): Promise<readonly HandedOver[]>;
}

export interface ShownDelays {
  /** Latencies of all shown frames; at least one. */
  readonly delaysMs: readonly number[];
  readonly handedOver: number;
}

/** Time for decoders to warm up and windows to settle. */
const SETTLE_MS = 700;

/** Time after which a frame that was not shown counts as lost. */
const LATEST_MS = 500;

const FIRST_TIMEOUT_MS = 15_000;

/** Settings of the screencast of a window of 1280x720. In its pictures, the blocks are 40 pixels wide. */
const SCREENCAST = { format: 'jpeg', quality: 60, maxWidth: 640, maxHeight: 360, everyNthFrame: 1 } as const;

/**
 * Latency from the hand-over of a frame by a program until the browser's compositor shows it. Chromium's screencast
 * delivers the composited pictures with their times; the number in the picture identifies the frame.
 */
export async function measureShownDelays(feed: Feed, page: Page, fps: number, seconds: number): Promise<ShownDelays> {
  const client = await page.createCDPSession();
  try {
    const shown = await startScreencast(client);
    await feed.open(page, fps);
    for (const deadline = performance.now() + FIRST_TIMEOUT_MS; shown.length === 0; await delay(20)) {
      if (performance.now() > deadline)
        throw new Error(`${page.url()} showed no picture with a number within ${FIRST_TIMEOUT_MS / 1000} s`);
    }
    await delay(SETTLE_MS);
    const from = Date.now();
    await delay(seconds * 1000);
    const to = Date.now();
    await delay(LATEST_MS);
    const handedOver = (await feed.close()).filter(({ atMs }) => atMs >= from && atMs < to);
    const delaysMs = delaysOf(handedOver, shown);
    if (delaysMs.length === 0) throw new NoValuesError(`${page.url()} showed none of ${handedOver.length} frames`);
    return { delaysMs, handedOver: handedOver.length };
  } finally {
    await client.detach();
    await page.goto('about:blank');
  }
}

/** @returns a list that grows. */
export async function startScreencast(client: CDPSession): Promise<Shown[]> {
  const shown: Shown[] = [];
  client.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    // Fails if the page has already been closed.
    client.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
    const {
      data: gray,
      width,
      height,
    } = jpegTurbo.decompressSync(Buffer.from(data, 'base64'), { format: jpegTurbo.FORMAT_GRAY });
    const number = readNumber(gray, width, height);
    if (number !== null && number !== shown.at(-1)?.number && metadata.timestamp !== undefined)
      shown.push({ number, atMs: metadata.timestamp * 1000 });
  });
  await client.send('Page.startScreencast', SCREENCAST);
  return shown;
}

/** Time from the hand-over of each frame until it was shown. Frames that were never shown are omitted. */
export function delaysOf(handedOver: readonly HandedOver[], shown: readonly Shown[]): number[] {
  return handedOver.flatMap(({ number, atMs }) => {
    const first = shown.find((one) => one.number === number % NUMBERS && one.atMs >= atMs);
    return first === undefined ? [] : [first.atMs - atMs];
  });
}

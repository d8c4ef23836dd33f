/** A browser that publishes its camera over a thin uplink. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFilm } from '../../bench/film.ts';
import { median } from '../../bench/statistics.ts';
import { PublisherPage } from '../../browser/publisher-page.ts';
import { launchBrowser } from '../../helpers/browsers.ts';
import { FrameRecorder } from '../../helpers/frame-recorder.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { withinAttempts } from '../../helpers/within-attempts.ts';
import { Folder } from '../../helpers/media.ts';
import { ShapedRelay } from '../../helpers/shaped-relay.ts';

const THIN = { bitsPerSecond: 1e6, delayMs: 20 };
const MEASURED_MS = 5000;

let folder: Folder;
let browser: Browser;
beforeAll(async () => {
  folder = await Folder.create();
  const camera = `${folder.path}/camera.mjpeg` as const;
  await folder.write('camera.mjpeg', Buffer.concat(await makeFilm('camera', 60)));
  browser = await launchBrowser('chromium', { camera });
});
afterAll(async () => {
  await browser.close();
  await folder[Symbol.asyncDispose]();
});

async function open(relay: ShapedRelay): Promise<PublisherPage> {
  const publisher = await PublisherPage.open(browser, `${relay.url}/publish?stream=main`);
  await publisher.hasTarget();
  await publisher.page.evaluate(() => document.querySelector('gearway-publisher')!.start());
  await publisher.becomes('live');
  return publisher;
}

describe('a publisher on an uplink of 1 Mbit/s', () => {
  it('lowers size and quality to keep 10 fps and a latency of 500 ms, reports the reason, and restores the requested settings on a fast link', async () => {
    await using gateway = await GatewayProcess.start('--source', 'push:');
    await using relay = await ShapedRelay.start(Number(new URL(await gateway.url).port), {
      up: THIN,
      down: { delayMs: THIN.delayMs },
    });
    await using publisher = await open(relay);
    await using recorder = await FrameRecorder.open(await gateway.url);
    await publisher.where("element.stats.loweredBy === 'link'");
    await withinAttempts(
      async () => {
        const from = recorder.frames.length;
        const carriedBefore = relay.up.carriedBytes;
        await sleep(MEASURED_MS);
        const frames = recorder.frames.slice(from);
        return {
          framesPerSecond: (frames.length * 1000) / MEASURED_MS,
          latencyMs: median(frames.map(({ ageMs }) => ageMs ?? Infinity)),
          carried: ((relay.up.carriedBytes - carriedBefore) * 8000) / MEASURED_MS,
          status: await publisher.status(),
        };
      },
      (figures) => {
        console.info(
          `${figures.framesPerSecond} fps, median ${Math.round(figures.latencyMs)} ms, ${Math.round(figures.carried / 1000)} kbit/s; ${figures.status}`,
        );
        expect(figures.framesPerSecond).toBeGreaterThanOrEqual(10);
        expect(figures.latencyMs).toBeLessThanOrEqual(500);
      },
    );
    expect(recorder.frames.at(-1)!.height).toBeLessThan(720);
    expect(await publisher.status()).toMatch(/^Live .* fps \d+×\d+, quality \d+: link /);
    relay.shape({ up: { bitsPerSecond: null } });
    await publisher.where('element.stats.loweredBy === null && element.stats.height === 720');
    expect(await publisher.status()).toMatch(/^Live [\d.]+ fps$/);
  });

  it('keeps size and quality if they are fixed', async () => {
    await using gateway = await GatewayProcess.start('--source', 'push:');
    await using relay = await ShapedRelay.start(Number(new URL(await gateway.url).port), { up: THIN, down: {} });
    await using publisher = await open(relay);
    await publisher.set('fixed', true);
    await publisher.where('element.stats.height === 720');
    await using recorder = await FrameRecorder.open(await gateway.url);
    await recorder.take(5);
    expect(recorder.frames.map(({ height }) => height)).toEqual(recorder.frames.map(() => 720));
    expect(await publisher.stats).toMatchObject({ loweredBy: null, quality: 80 });
  });
});

describe('a publisher with a maximum bit rate', () => {
  it('stays below it on a fast link, and reports it as the reason', async () => {
    await using gateway = await GatewayProcess.start('--source', 'push:');
    await using relay = await ShapedRelay.start(Number(new URL(await gateway.url).port), { up: {}, down: {} });
    await using publisher = await open(relay);
    await publisher.set('maxBitrate', 800_000);
    await publisher.where("element.stats.loweredBy === 'max-bitrate'");
    await publisher.where('element.stats.bitsPerSecond < 800000');
    expect(await publisher.status()).toMatch(/: maximum bit rate$/);
  });
});

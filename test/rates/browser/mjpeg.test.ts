import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { CdpBrowser } from '../../helpers/cdp.ts';
import { withinAttempts } from '../../helpers/within-attempts.ts';
import { flat, levelAt, LEVELS, TOLERANCE } from '../../helpers/gray-pictures.ts';

let browser: CdpBrowser;
beforeAll(async () => {
  browser = await CdpBrowser.launch();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

describe('an <img> with MJPEG', () => {
  it('shows each of 5 frames per second within 60 ms, not only when the next one arrives', async () => {
    await using gateway = await createGateway({ port: 0 });
    const { url } = await gateway.listen();
    const tab = await browser.open();
    await tab.navigate(`${url}healthz`);
    await tab.evaluate(`document.body.innerHTML = '<img src="/streams/main/mjpeg" style="position: fixed; inset: 0">'`);
    // The placeholder is shown before the first frame.
    await tab.until('document.images[0].naturalWidth === 1280');

    const shown: { level: number; atMs: number }[] = [];
    tab.on<{ data: string; sessionId: number; metadata: { timestamp: number } }>(
      'Page.screencastFrame',
      ({ data, sessionId, metadata }) => {
        void tab.send('Page.screencastFrameAck', { sessionId });
        shown.push({ level: levelAt(data, 100, 100), atMs: metadata.timestamp * 1000 });
      },
    );
    await tab.send('Page.startScreencast', { format: 'jpeg', quality: 90, everyNthFrame: 1 });
    const jpegs = await Promise.all(LEVELS.map((level) => flat(level, 640, 480)));
    await withinAttempts(
      async () => {
        const pushed: { level: number; atMs: number }[] = [];
        for (const [index, jpeg] of jpegs.entries()) {
          pushed.push({ level: LEVELS[index]!, atMs: Date.now() });
          gateway.stream.push(jpeg);
          await sleep(200);
        }
        await sleep(300);
        // The first pictures arrive while the browser is warming up.
        return pushed
          .slice(5)
          .map(
            ({ level, atMs }) =>
              (shown.find((frame) => Math.abs(frame.level - level) <= TOLERANCE && frame.atMs >= atMs - 5)?.atMs ??
                Infinity) - atMs,
          );
      },
      (delaysMs) => {
        const figures = `from push to shown: median ${median(delaysMs).toFixed(1)} ms, ${delaysMs.map((delay) => delay.toFixed(0)).join(' ')}`;
        expect(median(delaysMs), figures).toBeLessThanOrEqual(60);
      },
    );
    // The picture remains after the end of the gateway.
    await gateway.close();
    const { data } = (await tab.send('Page.captureScreenshot', { format: 'jpeg' })) as { data: string };
    expect(Math.abs(levelAt(data, 100, 100) - LEVELS.at(-1)!)).toBeLessThanOrEqual(TOLERANCE);
    await tab.close();
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { UNUSUAL_JPEGS, UNUSUAL_SIZE } from '../../helpers/unusual-jpegs.ts';
import { decoded, difference, JPEG_MEAN, mjpegPicture, viewerPixels } from '../picture-checks.ts';
import { ViewerPage } from '../viewer-page.ts';

describe('arrays', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  async function open(): Promise<{ gateway: Gateway; url: string; page: ViewerPage } & AsyncDisposable> {
    const gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    const page = await ViewerPage.open(browser, `${url}viewer`);
    await page.becomes('waiting');
    return {
      gateway,
      url,
      page,
      async [Symbol.asyncDispose]() {
        await page[Symbol.asyncDispose]();
        await gateway.close();
      },
    };
  }

  it('that are not pictures are reported by the viewer, the API and the console, never as "live" over black', async () => {
    await using opened = await open();
    const { gateway, url, page } = opened;
    const sentence =
      'arrays of shape [24, 32, 2] cannot be shown as a picture, expected 1 (gray), 3 (BGR) or 4 (BGRA) channels';
    gateway.stream.push({ dtype: 'float32', shape: [24, 32, 2], data: new Uint8Array(24 * 32 * 8) });
    await page.becomes('unsupported');
    expect(await page.reason).toBe(sentence);
    expect(
      await page.page.evaluate(
        () => document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('.notice')!.textContent,
      ),
    ).toContain(sentence);
    const status = (await (await fetch(`${url}api/streams/main`)).json()) as { reason: string };
    expect(status.reason).toBe(`frames arrive that viewers cannot show: ${sentence}`);
    await expect
      .poll(() => gateway.stream.clients[0])
      .toMatchObject({ state: 'unsupported', reason: 'the viewer can decode none of the frames (1 failed)' });
    const snapshot = await fetch(`${url}streams/main/snapshot.png`);
    expect([snapshot.status, await snapshot.json()]).toEqual([
      501,
      { code: 'channels-unsupported', message: sentence },
    ]);
    // The next frame that can be shown is shown.
    gateway.stream.push({ dtype: '>i2', shape: [24, 32], data: new Uint8Array(24 * 32 * 2) });
    await page.becomes('live');
    expect(await page.reason).toBe('frames arrive');
  });

  it.each([
    ['complex', 'complex64', "b'<c8'"],
    ['texts', '<U4', "b'<U4'"],
    ['objects', '|O', "b'|O'"],
  ])('of %s are refused by the API, and the viewer reports why there is no picture', async (_name, dtype) => {
    await using opened = await open();
    const { url, page } = opened;
    const header = Buffer.from(
      `{'descr': '${dtype === 'complex64' ? '<c8' : dtype}', 'fortran_order': False, 'shape': (2, 2), }\n`,
    );
    const npy = Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.of(header.length, 0),
      header,
      Buffer.alloc(64),
    ]);
    const answer = await fetch(`${url}streams/main/frames`, {
      method: 'POST',
      body: npy,
      headers: { 'content-type': 'application/x-npy' },
    });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'dtype-unknown']);
    await page.where(`/^the frames that arrive are rejected: dtype-unknown: dtype is /.test(element.reason)`);
    expect(await page.state).toBe('waiting');
  });
});

describe('JPEGs that this browser may not support', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  const ramp = Buffer.from(
    Array.from(
      { length: UNUSUAL_SIZE.width * UNUSUAL_SIZE.height * 3 },
      (_, at) => (Math.floor(at / 3) % UNUSUAL_SIZE.width) * 8,
    ),
  );

  it.each(['arithmetic', 'arithmeticProgressive', 'lossless'] as const)('are still shown: %s', async (kind) => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer`);
    await page.becomes('waiting');
    // Only one frame, because a viewer must not need a second one to show the picture.
    gateway.stream.push(UNUSUAL_JPEGS[kind]);
    await page.where('element.stats.painted > 0');
    expect(await page.state).toBe('live');
    expect(difference((await viewerPixels(page)).rgb, ramp).mean).toBeLessThan(JPEG_MEAN);
    expect(difference(await decoded(await mjpegPicture(url)), ramp).mean).toBeLessThan(JPEG_MEAN);
    const [client] = gateway.stream.clients;
    expect(client).toMatchObject({
      state: 'live',
      reason:
        (await page.stats).failed === 0 ? '' : 'gets its JPEGs encoded again, because it cannot decode their kind',
    });
  });

  it('are reported if the gateway cannot decode them either', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer`);
    await page.becomes('waiting');
    const timer = setInterval(() => gateway.stream.push(UNUSUAL_JPEGS.twelveBit), 100);
    try {
      await page.becomes('unsupported');
      expect(await page.reason).toBe(
        'the frames are JPEG with 12 bits per sample, which neither this browser nor the gateway can decode',
      );
      await expect.poll(() => gateway.stream.clients[0]?.state).toBe('unsupported');
      expect(gateway.stream.clients[0]?.reason).toMatch(/^the viewer can decode none of the frames \(\d+ failed\)$/);
      const snapshot = await fetch(`${url}streams/main/snapshot.png`);
      expect([snapshot.status, ((await snapshot.json()) as { code: string }).code]).toEqual([501, 'jpeg-unsupported']);
    } finally {
      clearInterval(timer);
    }
    gateway.stream.push(await encodeJpeg({ data: new Uint8Array(64 * 48), width: 64, height: 48, channels: 1 }));
    await page.becomes('live');
  });

  it('does not mistake occasional damaged frames for such a type', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer`);
    const good = await encodeJpeg({ data: new Uint8Array(64 * 48), width: 64, height: 48, channels: 1 });
    const bad = Buffer.concat([
      good.subarray(0, 20),
      Buffer.of(0xff, 0xc0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0),
      Buffer.of(0xff, 0xd9),
    ]);
    const states = await page.page.evaluate(() => {
      const seen: string[] = [];
      (globalThis as unknown as { seen: string[] }).seen = seen;
      document
        .querySelector('gearway-viewer')!
        .addEventListener('gearway-state', ({ detail }) => seen.push(detail.state));
      return seen.length;
    });
    expect(states).toBe(0);
    for (let number = 0; number < 20; number += 1) {
      gateway.stream.push(number % 4 === 1 ? bad : good);
      await sleep(60);
    }
    await page.where('element.stats.failed > 0');
    expect(await page.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)).not.toContain(
      'unsupported',
    );
    expect(gateway.stream.clients[0]?.reason).toBe('');
  });
});

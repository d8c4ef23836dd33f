import { fileURLToPath } from 'node:url';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Page } from 'puppeteer-core';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { launchBrowser } from '../../../helpers/browsers.ts';
import { Child } from '../../../helpers/child.ts';
import { Disposables } from '../../../helpers/disposables.ts';
import { freePorts } from '../../../helpers/free-port.ts';
import { withinAttempts } from '../../../helpers/within-attempts.ts';
import { PythonPeer } from '../../../helpers/peers.ts';
import { SOAK_SECONDS } from '../../../helpers/soak.ts';
import { Viewer } from '../../../helpers/viewer.ts';

/** Gray value of a square in every picture of a stream. */
const MARKS = { upstream: 40, feed: 100, camera: 160, pushed: 220 } as const;
type Name = keyof typeof MARKS;
const NAMES = Object.keys(MARKS) as Name[];

// At 30 fps, the eight clients and two servers in Python alone would occupy both cores of a small machine.
const [WIDTH, HEIGHT, FPS] = [320, 240, 10];

/** Waits for a fixed time, where there is no event to wait for. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const hasMark = (gray: number, name: Name): boolean => Math.abs(gray - MARKS[name]) <= 8;

interface Seen {
  readonly marked: number;
  readonly unmarked: number;
}

/** Checks every received picture. */
class MarkedViewer implements AsyncDisposable {
  marked = 0;
  unmarked = 0;
  readonly #viewer: Viewer;

  private constructor(viewer: Viewer) {
    this.#viewer = viewer;
  }

  static async open(url: string, name: Name): Promise<MarkedViewer> {
    const viewer = await Viewer.connect(url, name);
    await viewer.hello();
    const marked = new MarkedViewer(viewer);
    // The viewer ends with its socket.
    marked.#watch(name).catch(() => undefined);
    return marked;
  }

  async #watch(name: Name): Promise<never> {
    const pixels = Buffer.alloc(WIDTH * HEIGHT);
    for (;;) {
      const { sequence, width, height, payload } = await this.#viewer.until('frame');
      this.#viewer.ack(sequence);
      await jpegTurbo.decompress(Buffer.from(payload), pixels, { format: jpegTurbo.FORMAT_GRAY });
      if (width === WIDTH && height === HEIGHT && hasMark(pixels[(HEIGHT / 2) * WIDTH + WIDTH / 2] ?? 0, name))
        this.marked += 1;
      else this.unmarked += 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#viewer[Symbol.asyncDispose]();
  }
}

/** Publishes single pictures by POST until the signal aborts. */
async function publish(url: string, signal: AbortSignal): Promise<void> {
  const data = Buffer.alloc(WIDTH * HEIGHT * 3, 128);
  for (let y = 88; y < 152; y += 1) data.fill(MARKS.pushed, (y * WIDTH + 128) * 3, (y * WIDTH + 192) * 3);
  const picture = await encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
  for (let due = performance.now(); !signal.aborted; due += 1000 / FPS) {
    const response = await fetch(`${url}/streams/pushed/frames`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: new Uint8Array(picture),
    });
    await response.arrayBuffer();
    await sleep(Math.max(0, due - performance.now()));
  }
}

/** Gray values in the middle of each picture on a page with one viewer per stream. */
function graysOnPage(page: Page): Promise<(number | null)[]> {
  return page.evaluate(async () => {
    const viewers = [...document.querySelectorAll('gearway-viewer')];
    return Promise.all(
      viewers.map(async (viewer) => {
        const snapshot = await viewer.snapshot();
        if (snapshot === null) return null;
        const bitmap = await createImageBitmap(snapshot.blob);
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(bitmap.width / 2, bitmap.height / 2, 1, 1).data[1] ?? null;
      }),
    );
  });
}

describe('four sources of four kinds', () => {
  it('serve only their own clients: two native ones, three viewers and an element in a page each', async () => {
    await withinAttempts(
      async () => {
        const [upstream, feed, ...natives] = (await freePorts(10)) as [number, number, ...number[]];
        const clients = NAMES.flatMap((name, index) =>
          [0, 1].map((pattern) => ({ name, pattern, port: natives[index * 2 + pattern]! })),
        );
        const drawbox = `drawbox=x=128:y=88:w=64:h=64:color=0x${MARKS.camera.toString(16).repeat(3)}:t=fill`;
        await using gateway = new Child(
          process.execPath,
          [
            '--import',
            fileURLToPath(new URL('../../../helpers/loop-delay.mjs', import.meta.url)),
            'dist/gateway/main.js',
            '--port',
            '0',
            '--source',
            `upstream=netgear:tcp://127.0.0.1:${upstream}?pattern=1`,
            '--source',
            `feed=netgear:tcp://127.0.0.1:${feed}?pattern=2`,
            '--source',
            `camera=ffmpeg:lavfi:testsrc2=s=${WIDTH}x${HEIGHT}:r=${FPS},${drawbox}`,
            '--source',
            'pushed=push:',
            ...clients.flatMap(({ name, pattern, port }) => [
              '--client',
              `${name}=tcp://127.0.0.1:${port}?pattern=${pattern}`,
            ]),
          ],
          { cwd: fileURLToPath(new URL('../../../..', import.meta.url)) },
        );
        const url = await gateway.stdout.waitFor(
          'the ready line',
          (line) => /^Gearway is serving on (http:\S+)\/$/.exec(line)?.[1],
        );
        await using upstreamServer = new PythonPeer('marked_server.py', {
          port: upstream,
          pattern: 1,
          mark: MARKS.upstream,
          fps: FPS,
        });
        await using feedServer = new PythonPeer('marked_server.py', {
          port: feed,
          pattern: 2,
          mark: MARKS.feed,
          fps: FPS,
        });
        await Promise.all([upstreamServer.waitFor('ready'), feedServer.waitFor('ready')]);
        const publishing = new AbortController();
        const published = publish(url, publishing.signal);
        await using stack = new Disposables();
        const peers = clients.map(({ name, pattern, port }) => ({
          name,
          peer: stack.use(new PythonPeer('marked_client.py', { port, pattern, mark: MARKS[name] })),
        }));
        const viewers: { name: Name; viewer: MarkedViewer }[] = [];
        for (const name of NAMES)
          for (let n = 0; n < 3; n += 1) viewers.push({ name, viewer: stack.use(await MarkedViewer.open(url, name)) });
        await using browser = await launchBrowser('chromium');
        const page = await browser.newPage({ type: 'window' });
        await page.goto(`${url}/viewer?bare&stream=${NAMES[0]}`);
        await page.evaluate((names: readonly string[]) => {
          document.body.replaceChildren(
            ...names.map((name) => Object.assign(document.createElement('gearway-viewer'), { src: `streams/${name}` })),
          );
        }, NAMES);
        await Promise.all(peers.map(({ peer }) => peer.waitFor<Seen>('progress', ({ marked }) => marked > 0)));

        gateway.signal('SIGUSR2');
        const grays: (number | null)[][] = [];
        for (const end = performance.now() + SOAK_SECONDS * 1000; performance.now() < end; await sleep(500))
          grays.push(await graysOnPage(page));
        publishing.abort();
        await published;
        const loopDelays = gateway.stderr.all
          .flatMap((line) => /^loop delay ([\d.]+)$/.exec(line)?.[1] ?? [])
          .map(Number);
        return {
          natives: peers.map(({ name, peer }) => ({
            name,
            ...(peer.events<Seen>('progress').at(-1) ?? { marked: 0, unmarked: 0 }),
          })),
          viewers: viewers.map(({ name, viewer: { marked, unmarked } }) => ({ name, marked, unmarked })),
          grays,
          loopDelayMs: loopDelays.at(-1) ?? Infinity,
        };
      },
      ({ natives, viewers, grays, loopDelayMs }) => {
        // Half of the frames suffice: mixed-up sources would be detected with the first frames.
        for (const seen of [...natives, ...viewers]) {
          expect(seen).toMatchObject({ unmarked: 0 });
          expect(seen.marked, JSON.stringify(seen)).toBeGreaterThan((SOAK_SECONDS * FPS) / 2);
        }
        const shown = grays.filter((row) => row.every((gray) => gray !== null));
        expect(shown.length).toBeGreaterThan(SOAK_SECONDS / 2);
        for (const row of shown)
          expect(
            row.map((gray, index) => hasMark(gray ?? -1, NAMES[index]!)),
            JSON.stringify(row),
          ).toEqual([true, true, true, true]);
        expect(loopDelayMs).toBeLessThanOrEqual(20);
        if (SOAK_SECONDS > 10)
          console.log(`many sources: ${JSON.stringify({ natives, viewers, snapshots: shown.length, loopDelayMs })}`);
      },
    );
  });
});

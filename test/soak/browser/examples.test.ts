import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { describe, expect, it } from 'vitest';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { Child } from '../../helpers/child.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { peers } from '../../helpers/peers.ts';
import { Site } from '../../helpers/site.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';
import { openWindow } from '../../helpers/windows.ts';
import { PublisherPage } from '../../browser/publisher-page.ts';
import { ViewerPage } from '../../browser/viewer-page.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));
/** The README, and the page for newcomers. */
const README = ['README.md', 'docs/getting-started.md']
  .map((path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'))
  .join('\n');

/** An example's text for a gateway at an address other than the default. */
const exampleFor = (name: string, gatewayUrl: string): string =>
  readFileSync(join(EXAMPLES, name), 'utf8').replaceAll('http://127.0.0.1:8080', gatewayUrl);

describe('examples', () => {
  it('server.py and client.py exchange data through the gateway', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${native}?pattern=1`,
    );
    await using client = new Child(peers().python, ['-u', 'client.py', String(native), '60'], { cwd: EXAMPLES });
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using server = new Child(peers().python, ['-u', 'server.py', String(source), '120'], { cwd: EXAMPLES });
    await client.stdout.waitFor('a frame with its message', (line) =>
      /^frame \(480, 640, 3\) message \{'number': \d+\}$/.test(line) ? line : undefined,
    );
    // As docs/getting-started.md shows it.
    await server.stdout.waitFor('return data', (line) =>
      line.startsWith(`returned: {'${native}': {'seen': `) ? line : undefined,
    );
  });

  it('push.mjs serves a picture and prints the return data of viewers', async () => {
    const [http, source] = (await freePorts(2)) as [number, number];
    const folder = await mkdtemp(join(tmpdir(), 'gearway-'));
    // Any JPEG: a snapshot of the test pattern.
    await using gateway = await LocalGateway.start(
      '--source',
      'test-pattern:?size=320x240',
      '--virtual-ports',
      `${source}-${source}`,
    );
    await using browser = await sharedBrowser('chromium');
    const { page } = await ViewerPage.ofGateway(browser, gateway);
    const jpeg = await page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      await new Promise((resolve) => viewer.addEventListener('gearway-frame', resolve, { once: true }));
      const bitmap = await createImageBitmap((await viewer.snapshot())!.blob);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/jpeg' });
      return [...new Uint8Array(await blob.arrayBuffer())];
    });
    const path = join(folder, 'picture.jpg');
    writeFileSync(path, Uint8Array.from(jpeg));
    await using program = new Child(process.execPath, ['push.mjs', path, String(http)], { cwd: EXAMPLES });
    await program.stdout.waitFor('the address', (line) =>
      line === `Open http://127.0.0.1:${http}/` ? line : undefined,
    );
    await page.goto(`http://127.0.0.1:${http}/viewer`);
    await page.waitForFunction(() => document.querySelector<GearwayViewer>('gearway-viewer')?.state === 'live');
    await page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.send('hello'));
    await program.stdout.waitFor('the return data', (line) => (line === '6000 hello' ? line : undefined));
    await rm(folder, { recursive: true });
  });

  it('embed.html works from another origin', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => exampleFor('embed.html', gatewayUrl));
    await using gateway = await LocalGateway.start('--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using browser = await sharedBrowser('chromium');
    const page = await openWindow(browser, 'about:blank');
    const logged = new Promise((resolve) => page.on('console', (message) => resolve(message.text())));
    await page.goto(site.origin);
    expect(await logged).toMatch(/^\d+ /);
    await gateway.statusWhere(
      'the sticky value',
      ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0,
    );
  });

  it('iframe.html works from another origin', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => exampleFor('iframe.html', gatewayUrl));
    await using gateway = await LocalGateway.start('--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using browser = await sharedBrowser('chromium');
    const page = await openWindow(browser, 'about:blank');
    await page.goto(site.origin);
    const frame = await (await page.waitForSelector('iframe'))!.contentFrame();
    await frame.waitForFunction(() => document.querySelector<GearwayViewer>('gearway-viewer')?.state === 'live');
    const seen = await frame.evaluate(() => {
      const { place, fit, controls } = document.querySelector<GearwayViewer>('gearway-viewer')!;
      return { place, fit, controls };
    });
    expect(seen).toEqual({ place: 'worker', fit: 'cover', controls: false });
    expect((await gateway.status()).clients[0]).toMatchObject({
      kind: 'web',
      address: expect.stringMatching(/^frame /),
    });
  });

  it('publish.html publishes a camera from another origin, with its message, and shows return data', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => exampleFor('publish.html', gatewayUrl));
    await using gateway = await LocalGateway.start('--source', 'push:', '--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, site.origin);
    await publisher.page.click('#camera');
    await publisher.becomes('live');
    await publisher.page.click('#light');
    await using viewer = await WebViewer.open(`${gatewayUrl}/streams/main`);
    await expect.poll(() => viewer.messages.at(-1)).toEqual({ light: true });
    await viewer.return({ kind: 'value', value: { speed: 1 } });
    await publisher.page.waitForFunction(() => document.querySelector('output')!.innerText.endsWith('{"speed":1}'));
    await publisher.page.click('#camera');
    await publisher.becomes('idle');
  });

  describe.each(['react', 'vue'])('%s', (name) => {
    it('is built by Vite, is live in the worker, and returns data', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'gearway-'));
      await build({ root: join(EXAMPLES, name), build: { outDir: folder, emptyOutDir: true }, logLevel: 'error' });
      await using site = await Site.folder(folder);
      await using gateway = await LocalGateway.start('--allow-origin', site.origin);
      await using browser = await sharedBrowser('chromium');
      await using viewer = await ViewerPage.open(browser, `${site.origin}/?gateway=${gateway.url}`);
      await viewer.becomes('live');
      expect(await viewer.place).toBe('worker');
      await viewer.page.waitForFunction(() => /^live, frame \d+$/.test(document.querySelector('output')!.innerText));
      const returned = (speed: number) =>
        gateway.statusWhere(
          `speed ${speed}`,
          ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === speed,
        );
      await returned(0);
      await viewer.page.focus('input');
      await viewer.page.keyboard.press('ArrowRight');
      await returned(1);
      // Answered by the gateway; a refusal would open a dialog.
      const dialogs: string[] = [];
      viewer.page.on('dialog', (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      await viewer.page.click('p button');
      await viewer.page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.send('behind it'));
      expect(dialogs).toEqual([]);
      await rm(folder, { recursive: true });
    });
  });
});

describe('the README and docs/getting-started.md', () => {
  /** A fenced block of these pages by its language and a word in it. */
  const block = (language: string, word: string): string => {
    const found = [...README.matchAll(/```(\w+)\n([\s\S]*?)```/g)].find(
      ([, name, text]) => name === language && text!.includes(word),
    );
    if (found === undefined) throw new Error(`there is no ${language} block with ${word}`);
    return found[2]!;
  };

  it('has Python snippets that work as pasted', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${native}?pattern=1`,
    );
    await using client = new Child(peers().python, [
      '-u',
      '-c',
      block('python', 'receive_mode').replace('"5567"', `"${native}"`),
    ]);
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    // There is no camera here: it is replaced by a generated picture, and nothing else is changed.
    const camera =
      'class Camera:\n    def read(self):\n        import numpy as np, time\n        time.sleep(0.03)\n        return True, np.zeros((240, 320, 3), np.uint8)\n';
    const snippet = block('python', 'VideoCapture')
      .replace('cv2.VideoCapture(0)', 'Camera()')
      .replace('"5555"', `"${source}"`);
    await using server = new Child(peers().python, ['-u', '-c', camera + snippet]);
    await client.stdout.waitFor('a frame', (line) =>
      /^\{'number': \d+\} \(240, 320, 3\)$/.test(line) ? line : undefined,
    );
    await server.stdout.waitFor('return data', (line) =>
      line === `{'${native}': {'gripper': 'open'}}` ? line : undefined,
    );
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { GearwayViewer } from '../../web/gearway-viewer.ts';
import { Child } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { launchBrowser } from '../helpers/browsers.ts';
import { peers } from '../helpers/peers.ts';
import { ViewerPage } from './viewer-page.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

describe('examples', () => {
  it('server.py and client.py talk to each other through the gateway', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using gateway = await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`, '--client', `tcp://127.0.0.1:${native}?pattern=1`);
    await using client = new Child(peers().python, ['-u', 'client.py', String(native), '60'], { cwd: EXAMPLES });
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using server = new Child(peers().python, ['-u', 'server.py', String(source), '120'], { cwd: EXAMPLES });
    await client.stdout.waitFor('a frame with its message', (line) => (/^frame \(480, 640, 3\) message \{'number': \d+\}$/.test(line) ? line : undefined));
    await server.stdout.waitFor('return data', (line) => (line.includes(`'${native}': {'seen': `) ? line : undefined));
  });

  it('push.mjs serves a picture and prints what viewers return', async () => {
    const [http, source] = (await freePorts(2)) as [number, number];
    const folder = await mkdtemp(join(tmpdir(), 'gearway-'));
    // Any JPEG will do: the test pattern's own.
    await using gateway = await GatewayProcess.start('--source', 'test-pattern:?size=320x240', '--virtual-ports', `${source}-${source}`);
    await using browser = await launchBrowser('chromium');
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
    await program.stdout.waitFor('the address', (line) => (line === `Open http://127.0.0.1:${http}/` ? line : undefined));
    await page.goto(`http://127.0.0.1:${http}/viewer`);
    await page.waitForFunction(() => document.querySelector<GearwayViewer>('gearway-viewer')?.state === 'live');
    await page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.send('hello'));
    await program.stdout.waitFor('the return data', (line) => (line === '6000 hello' ? line : undefined));
    await rm(folder, { recursive: true });
  });

  it('embed.html works from another origin', async () => {
    const html = readFileSync(join(EXAMPLES, 'embed.html'), 'utf8');
    let port = 0;
    // A page of another origin: another port is another origin.
    const site = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html.replaceAll('http://127.0.0.1:8080', `http://127.0.0.1:${port}`)));
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(site.address() as { port: number }).port}`;
    await using gateway = await GatewayProcess.start('--allow-origin', origin);
    port = Number(new URL(await gateway.url).port);
    await using browser = await launchBrowser('chromium');
    const page = await browser.newPage();
    const logged = new Promise((resolve) => page.on('console', (message) => resolve(message.text())));
    await page.goto(origin);
    expect(await logged).toMatch(/^\d+ /);
    await gateway.statusWhere('the sticky value', ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0);
    site.closeAllConnections();
    site.close();
  });
});

describe('the README', () => {
  /** A fenced block of the README by its language and a word in it. */
  const block = (language: string, word: string): string => {
    const found = [...README.matchAll(/```(\w+)\n([\s\S]*?)```/g)].find(([, name, text]) => name === language && text!.includes(word));
    if (found === undefined) throw new Error(`the README has no ${language} block with ${word}`);
    return found[2]!;
  };

  it('has Python snippets that work as pasted', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using gateway = await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`, '--client', `tcp://127.0.0.1:${native}?pattern=1`);
    await using client = new Child(peers().python, ['-u', '-c', block('python', 'receive_mode').replace('"5567"', `"${native}"`)]);
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    // There is no camera here: its place is taken by a generated picture, and nothing else is changed.
    const camera = 'class Camera:\n    def read(self):\n        import numpy as np, time\n        time.sleep(0.03)\n        return True, np.zeros((240, 320, 3), np.uint8)\n';
    const snippet = block('python', 'VideoCapture').replace('cv2.VideoCapture(0)', 'Camera()').replace('"5555"', `"${source}"`);
    await using server = new Child(peers().python, ['-u', '-c', camera + snippet]);
    await client.stdout.waitFor('a frame', (line) => (/^\{'number': \d+\} \(240, 320, 3\)$/.test(line) ? line : undefined));
    await server.stdout.waitFor('return data', (line) => (line === `{'${native}': {'gripper': 'open'}}` ? line : undefined));
  });
});

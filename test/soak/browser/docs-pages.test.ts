import type { Browser, ConsoleMessage, ElementHandle, Page } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { closeWindow, openWindow } from '../../helpers/windows.ts';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { Disposables } from '../../helpers/disposables.ts';
import { blocks, docBlocks } from '../../helpers/example-lines.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { Folder } from '../../helpers/media.ts';
import { PythonPeer } from '../../helpers/peers.ts';
import { Site } from '../../helpers/site.ts';

// Runs the snippets of the pages in Chromium, as pasted, with the programs of the same page as sources of the gateway.

const SCRIPTS = ['viewer', 'publisher', 'devices']
  .map((name) => `<script type="module" src="http://127.0.0.1:8080/gearway-${name}.js"></script>`)
  .join('\n');

/** A NetGear server that runs a part of a page for each frame, and prints a line. */
function program(port: number, part: string, options = ''): string {
  return `
import json, time
import numpy as np
from vidgear.gears import NetGear

server = NetGear(address="127.0.0.1", port="${port}", protocol="tcp", pattern=1, bidirectional_mode=True${options})
frame = np.full((480, 640, 3), 40, np.uint8)
depth = np.full((240, 320), 1000, np.uint16)
stopped = False
while True:
    time.sleep(0.05)
${part.replaceAll(/^(?=.)/gm, '    ')}
`;
}

let browser: Browser;
let folder: Folder;
beforeAll(async () => {
  folder = await Folder.create();
  browser = await sharedBrowser('chromium', { camera: 'fake' });
});
afterAll(async () => {
  await browser.close();
  await folder[Symbol.asyncDispose]();
});

interface Shown {
  readonly page: Page;
  readonly gateway: LocalGateway;
  /** null without a program. */
  readonly server: PythonPeer | null;
  readonly logged: ConsoleMessage[];
}

/** A pasted page, a gateway, and the program that feeds it. */
class Pasted extends Disposables implements Shown {
  page!: Page;
  gateway!: LocalGateway;
  server: PythonPeer | null = null;
  readonly logged: ConsoleMessage[] = [];

  /**
   * @param html with the usual address of the gateway, or paths of the gateway.
   * @param part of a Python program; null for a test pattern.
   */
  static async open(
    html: string,
    part: string | null,
    { options = '', args = [] as readonly string[] } = {},
  ): Promise<Pasted> {
    const pasted = new Pasted();
    try {
      const [source = 0] = await freePorts(1);
      let url = '';
      const site = pasted.use(
        await Site.serve(
          () =>
            `<!doctype html><meta charset="utf-8"><title>pasted</title>${html
              .replaceAll('http://127.0.0.1:8080', url)
              .replaceAll('src="/streams', `src="${url}/streams`)}`,
        ),
      );
      const feed = part === null ? [] : ['--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`];
      pasted.gateway = pasted.use(
        await LocalGateway.start(...(args.includes('--source') ? [] : feed), '--allow-origin', site.origin, ...args),
      );
      url = pasted.gateway.url;
      if (part !== null)
        pasted.server = pasted.use(
          new PythonPeer(await folder.write(`${source}.py`, program(source, part, options)), {}),
        );
      pasted.page = await openWindow(browser, 'about:blank');
      pasted.use({ [Symbol.asyncDispose]: () => closeWindow(pasted.page) });
      pasted.page.on('console', (message) => pasted.logged.push(message));
      await pasted.page.goto(site.origin);
      return pasted;
    } catch (error) {
      await pasted[Symbol.asyncDispose]();
      throw error;
    }
  }

  async live(count = 1): Promise<void> {
    await this.page.waitForFunction(
      (wanted) =>
        [...document.querySelectorAll<GearwayViewer>('gearway-viewer')].filter(({ state }) => state === 'live')
          .length === wanted,
      {},
      count,
    );
  }

  /** Runs a part of the page with `viewer`. */
  async script(code: string): Promise<void> {
    await this.page.evaluate((text) => {
      // oxlint-disable-next-line no-implied-eval -- a snippet of the documentation
      new Function('viewer', 'stick', text)(document.querySelector('gearway-viewer'), { y: 0.5 });
    }, code);
  }

  /** Number of the viewer's pixels on the screen whose colour fits. */
  async pixels(fits: (red: number, green: number, blue: number) => boolean): Promise<number> {
    const element = (await this.page.$('gearway-viewer')) as ElementHandle;
    const { data, info } = await sharp(await element.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    let count = 0;
    for (let at = 0; at < data.length; at += info.channels)
      if (fits(data[at]!, data[at + 1]!, data[at + 2]!)) count += 1;
    return count;
  }
}

/** The first block of a page below a heading. */
function block(page: string, language: string, word = ''): string {
  const found = docBlocks(page).find((each) => each.language === language && each.code.includes(word));
  if (found === undefined) throw new Error(`${page} has no ${language} block with ${word}`);
  return found.code;
}

describe.each(['README.md', 'docs/getting-started.md'])('%s', (page) => {
  it('has a snippet for a page', async () => {
    await using pasted = await Pasted.open(block(page, 'html'), null);
    await pasted.live();
  });
});

describe('docs/arrays.md', () => {
  it('has a viewer of depth, and a server with which it measures distances', async () => {
    await using pasted = await Pasted.open(
      SCRIPTS + block('docs/arrays.md', 'html'),
      block('docs/arrays.md', 'python'),
      { options: ', jpeg_compression=False' },
    );
    // The first frame is a placeholder.
    await pasted.page.waitForFunction(
      () => (document.querySelector<GearwayViewer>('gearway-viewer')?.shownArray ?? null) !== null,
    );
    const shown = await pasted.page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      return {
        array: viewer.shownArray,
        distance: await viewer.inspectDistance({ x: 30, y: 120 }, { x: 290, y: 120 }),
      };
    });
    // 260 pixels at a focal length of 260 and a depth of 1 m.
    expect(shown.array).toMatchObject({ dtype: 'uint16', low: 400, high: 6000, isAuto: false, problem: null });
    expect(JSON.stringify(shown.distance)).toMatch(/:(?:1|0\.99\d*|1\.00\d*)[,}]/);
  });
});

describe('docs/overlays.md', () => {
  const OWN = 'server.send(frame, message={"target": [100, 100, 80, 60]})';

  it('has a message that the viewer draws', async () => {
    await using pasted = await Pasted.open(
      SCRIPTS + block('docs/overlays.md', 'html', 'overlays'),
      block('docs/overlays.md', 'python'),
    );
    await pasted.live();
    await expect.poll(() => pasted.pixels((red, green, blue) => Math.max(red, green, blue) > 120)).toBeGreaterThan(100);
    expect(
      await pasted.page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.overlayProblem),
    ).toBeNull();
  });

  it('has a function that draws', async () => {
    await using pasted = await Pasted.open(`${SCRIPTS}<gearway-viewer src="/streams/main"></gearway-viewer>`, OWN);
    await pasted.live();
    await pasted.script(block('docs/overlays.md', 'js', 'viewer.overlay'));
    await expect
      .poll(() => pasted.pixels((red, green, blue) => green > 180 && red < 100 && blue < 100))
      .toBeGreaterThan(100);
  });

  it('has HTML on the picture, and a function for pixels', async () => {
    await using pasted = await Pasted.open(SCRIPTS + block('docs/overlays.md', 'html', 'slot="overlay"'), OWN);
    await pasted.live();
    await expect
      .poll(() => pasted.pixels((red, green, blue) => red > 180 && green < 100 && blue < 100))
      .toBeGreaterThan(100);
    await pasted.script(block('docs/overlays.md', 'js', 'toPicture'));
    await pasted.page.click('gearway-viewer');
    await expect.poll(() => pasted.logged.length).toBeGreaterThan(0);
    const point = (await pasted.logged[0]!.args()[0]!.jsonValue()) as { x: number; y: number };
    expect(point.x).toBeGreaterThan(300);
    expect(point.x).toBeLessThan(340);
  });
});

describe('docs/control.md', () => {
  const [drive = '', forms = '', stop = ''] = blocks('control.md', 'python');
  const pages = blocks('control.md', 'html');
  const devices = pages.find((text) => text.includes('gearway-keys'))!;
  const form = pages.find((text) => text.includes('gearway-form'))!;
  const pointer = pages.find((text) => text.includes('gearway-pointer'))!;
  const camera = pages.find((text) => text.includes('gearway-camera'))!;

  it('has devices whose values the server gets, and a stop that it confirms', async () => {
    await using pasted = await Pasted.open(
      devices,
      `${drive}${stop}print(json.dumps({"drive": drive, "stopped": stopped}))`,
    );
    await pasted.live();
    const prints = (text: string): Promise<string> =>
      pasted.server!.stdout.waitFor(text, (line) => (line.includes(text) ? line : undefined));
    await pasted.page.waitForFunction(
      () => (document.querySelector('gearway-keys') as unknown as { readonly isUsable: boolean }).isUsable,
    );
    await pasted.page.keyboard.down('KeyW');
    await prints('"y": 1');
    await pasted.page.keyboard.up('KeyW');
    await pasted.page.locator('gearway-stop >>> button').click();
    await prints('"stopped": true');
    await pasted.page.waitForFunction(() => document.querySelector('gearway-stop')?.matches(':state(stopped)'));
  });

  it('has a form that the server describes', async () => {
    await using pasted = await Pasted.open(
      `${SCRIPTS}<gearway-viewer src="/streams/main"></gearway-viewer>${form}`,
      `${forms}print(json.dumps(returned))`,
    );
    await pasted.live();
    await pasted.page.locator('gearway-form >>> button[type=submit], gearway-form >>> button').click();
    await pasted.server!.stdout.waitFor('its value', (line) =>
      line.includes('"settings": {"speed": 0.5, "mode": "slow"}') ? line : undefined,
    );
  });

  it('has tools for the pointer', async () => {
    await using pasted = await Pasted.open(
      `${SCRIPTS}<gearway-viewer src="/streams/main"></gearway-viewer>${pointer}`,
      'print(json.dumps(server.send(frame)))',
    );
    await pasted.live();
    await pasted.page.waitForFunction(() => document.querySelectorAll('gearway-pointer').length === 2);
    await pasted.page.click('gearway-viewer');
    await pasted.server!.stdout.waitFor('a point', (line) => (line.includes('"points": [[') ? line : undefined));
  });

  it('has a camera', async () => {
    await using pasted = await Pasted.open(SCRIPTS + camera, 'server.send(frame)');
    await pasted.page.locator('gearway-camera >>> button').click();
    await pasted.gateway.statusWhere(
      'a picture of the camera',
      ({ clients }) => (clients[0]?.returnData as { jpeg?: boolean } | null)?.jpeg === true,
    );
  });
});

describe('docs/element.md', () => {
  it('has slots and parts', async () => {
    await using pasted = await Pasted.open(
      `${SCRIPTS}<style>${block('docs/element.md', 'css')}</style>${block('docs/element.md', 'html')}`,
      null,
      { args: ['--source', 'push:'] },
    );
    await pasted.page.waitForFunction(() => document.querySelector('p')?.checkVisibility() === true);
    expect(await pasted.page.evaluate(() => document.querySelector('p')!.textContent)).toBe('The robot is asleep.');
    const part = await pasted.page.evaluate(
      () =>
        getComputedStyle(document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('[part~=status]')!)
          .display,
    );
    expect(part).toBe('none');
  });
});

describe('docs/thin-links.md', () => {
  it('has viewers and a publisher with limits', async () => {
    const [viewers = '', publisher = ''] = blocks('thin-links.md', 'html');
    await using pasted = await Pasted.open(SCRIPTS + viewers + publisher, null, {
      args: ['--source', 'test-pattern:?size=320x180&fps=15'],
    });
    await pasted.live(2);
    expect(
      await pasted.page.evaluate(() => {
        const [limited, exact] = document.querySelectorAll<GearwayViewer>('gearway-viewer');
        return [limited!.maxBitrate, limited!.maxFps, exact!.quality];
      }),
    ).toEqual([1_000_000, 15, 'source']);
    await pasted.page.waitForFunction(() => document.querySelector('gearway-publisher')?.shadowRoot !== null);
  });
});

describe('docs/embedding.md', () => {
  it('has a frame with the viewer page', async () => {
    await using pasted = await Pasted.open(block('docs/embedding.md', 'html', 'iframe'), null);
    const frame = await (await pasted.page.waitForSelector('iframe'))!.contentFrame();
    await frame.waitForFunction(() => document.querySelector<GearwayViewer>('gearway-viewer')?.state === 'live');
    expect((await pasted.gateway.status()).clients.map(({ port }) => port)).toEqual([6007]);
  });

  it('has return data with a time to live', async () => {
    await using pasted = await Pasted.open(`${SCRIPTS}<gearway-viewer src="/streams/main"></gearway-viewer>`, null);
    await pasted.live();
    await pasted.script(block('docs/embedding.md', 'js', 'ttlMs'));
    await pasted.gateway.statusWhere(
      'the value',
      ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0.5,
    );
  });
});

describe('docs/phone-as-a-camera.md', () => {
  it('has a frame that publishes', async () => {
    await using pasted = await Pasted.open(block('docs/phone-as-a-camera.md', 'html', 'iframe'), null, {
      args: ['--source', 'push:'],
    });
    const frame = await (await pasted.page.waitForSelector('iframe'))!.contentFrame();
    await frame.locator('gearway-publisher >>> button').click();
    await pasted.gateway.statusWhere('a live stream', ({ state }) => state === 'live');
  });
});

describe('docs/http-api.md', () => {
  it('has a picture without JavaScript', async () => {
    await using pasted = await Pasted.open(block('docs/http-api.md', 'html'), null);
    await pasted.page.waitForFunction(() => document.querySelector('img')!.naturalWidth === 320);
  });
});

describe('docs/console.md', () => {
  it('has the address of a grid', async () => {
    const [address = ''] = blocks('console.md', '');
    const names = new URL(address.trim()).searchParams.get('stream')!.split(',');
    await using gateway = await LocalGateway.start(
      ...names.flatMap((name) => ['--source', `${name}=test-pattern:?size=160x120&fps=5`]),
    );
    const page = await openWindow(browser, address.trim().replace('http://127.0.0.1:8080', gateway.url));
    await page.waitForFunction(
      (count) =>
        [...document.querySelectorAll<GearwayViewer>('gearway-viewer')].filter(({ state }) => state === 'live')
          .length === count,
      {},
      names.length,
    );
    await closeWindow(page);
  });
});

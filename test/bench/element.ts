import type { Page } from 'puppeteer-core';
import { launchBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { Site } from '../helpers/site.ts';
import type { BareServer } from './bare-server.ts';
import { alternate, type Bench, type BenchOptions } from './bench.ts';
import { Camera } from './feeds.ts';
import type { GatewayServer } from './gateway-server.ts';
import { barePage, measurePainting, type Painting, viewersPage } from './painting.ts';
import { BenchProcess } from './processes.ts';
import { makePicture, type PictureSize } from './python.ts';
import { ARTIFACTS } from './report-files.ts';
import type { Line } from './report.ts';

const SIZES: readonly PictureSize[] = [
  { width: 640, height: 480, kilobytes: 45 },
  { width: 1280, height: 720, kilobytes: 100 },
  { width: 1920, height: 1080, kilobytes: 225 },
];

const GRIDS = [16, 25];
const GRID_SIZE: PictureSize = { width: 640, height: 480, kilobytes: 45 };
const GRID_FPS = 15;
/** Size of the window, in which all viewers are visible, because hidden viewers pause. Each one is 16:9. */
const GRID_WINDOW = { width: 1280, height: 720 };

/** Minimum percentage of the source's frames that each viewer shows, for motion as smooth as the source's. */
const LEAST_SHOWN = 97;
/** Maximum percentage of the main thread; the rest is for the page's own work. */
const MOST_MAIN_THREAD = 15;

/**
 * Rate and cost of `<gearway-viewer>`: alone, compared with a hand-written page for one picture, and in a grid.
 */
export const element: Bench = {
  name: 'element',
  summary:
    'maximum fps and share of the main thread: one viewer compared with a hand-written page, and a grid of viewers',
  effort: { rounds: 6, seconds: 2 },
  async run(options) {
    const [cameraPort = 0] = await freePorts(1);
    let gridUrl = '';
    await using site = await Site.serve((path) => gridPage(gridUrl, Number.parseInt(path.slice(1), 10)));
    await using camera = new Camera(cameraPort, GRID_SIZE, '--allow-origin', site.origin);
    await using gateway = new BenchProcess<GatewayServer>(
      './gateway-server.ts',
      options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [],
    );
    await using bare = new BenchProcess<BareServer>('./bare-server.ts');
    await using browser = await launchBrowser('chromium');
    const page = await browser.newPage({ type: 'window' });

    const lines: Line[] = [];
    const ports = { gateway: await gateway.ask('listen'), bare: await bare.ask('listen') };
    for (const size of SIZES) {
      process.stderr.write(`  ${size.height}p …\n`);
      const jpeg = (await makePicture(size, 'jpeg')).toString('base64');
      await Promise.all([gateway.ask('show', jpeg), bare.ask('show', jpeg)]);
      lines.push(...(await measureOne(page, size, ports, options)));
    }
    gridUrl = await camera.url;
    camera.film(GRID_FPS);
    for (const viewers of options.viewers ?? GRIDS) {
      process.stderr.write(`  ${viewers} viewers …\n`);
      lines.push(...(await measureGrid(page, `${site.origin}/${viewers}.html`, viewers, options)));
    }
    return {
      method: `Frames painted by a page, and the share of time in which its main thread was busy. One viewer: the same JPEG as fast as the page accepts it, shown pixel for pixel, on the gateway's viewer page and on a hand-written page (ws, a worker, createImageBitmap and a canvas). Grids: ${GRID_SIZE.width}x${GRID_SIZE.height} at ${GRID_FPS} fps from NetGear's server, in a window of ${GRID_WINDOW.width}x${GRID_WINDOW.height}.`,
      lines,
      notes: [],
    };
  },
};

/** Measures one viewer that receives as many frames as it can show. */
async function measureOne(
  page: Page,
  size: PictureSize,
  ports: { gateway: number; bare: number },
  { rounds, seconds }: BenchOptions,
): Promise<Line[]> {
  await page.setViewport({ width: size.width, height: size.height });
  const measured = await alternate(rounds, {
    Gearway: () => measurePainting(page, viewersPage(`http://127.0.0.1:${ports.gateway}/viewer?bare`, 1), seconds),
    'bare page': () => measurePainting(page, barePage(`http://127.0.0.1:${ports.bare}/fast`), seconds),
  });
  const series = (of: (painting: Painting) => number): Line['series'] =>
    Object.entries(measured).map(([name, rounds]) => ({ name, values: rounds.map(of) }));
  return [
    {
      what: `1 viewer, ${size.height}p`,
      unit: 'fps',
      series: series((painting) => painting.framesPerSecond),
      targets: [{ is: 'ratio', to: 'bare page', atLeast: 0.9 }],
    },
    mainThreadLine(
      `1 viewer, ${size.height}p`,
      series((painting) => painting.mainThread * 100),
    ),
  ];
}

async function measureGrid(
  page: Page,
  url: string,
  viewers: number,
  { rounds, seconds }: BenchOptions,
): Promise<Line[]> {
  await page.setViewport(GRID_WINDOW);
  const { Gearway: measured } = await alternate(rounds, {
    Gearway: () => measurePainting(page, viewersPage(url, viewers), seconds),
  });
  const what = `${viewers} viewers, ${GRID_SIZE.height}p, ${GRID_FPS} fps`;
  return [
    {
      what: `${what}, the viewer with the fewest`,
      unit: "% of the source's frames",
      digits: 1,
      series: [{ name: 'Gearway', values: measured.map(({ leastShown }) => leastShown * 100) }],
      targets: [{ is: 'value', atLeast: LEAST_SHOWN }],
    },
    mainThreadLine(what, [{ name: 'Gearway', values: measured.map(({ mainThread }) => mainThread * 100) }]),
  ];
}

function mainThreadLine(what: string, series: Line['series']): Line {
  return {
    what,
    unit: '% of the main thread',
    digits: 1,
    series,
    targets: [{ is: 'value', atMost: MOST_MAIN_THREAD }],
  };
}

function gridPage(gateway: string, viewers: number): string {
  const style = `body { margin: 0; display: grid; grid-template-columns: repeat(${Math.ceil(Math.sqrt(viewers))}, 1fr) }`;
  return `<!doctype html><title>Grid</title><style>${style}</style><script type="module" src="${gateway}/gearway-viewer.js"></script>${`<gearway-viewer src="${gateway}/streams/main"></gearway-viewer>`.repeat(viewers)}`;
}

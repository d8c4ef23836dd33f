import { launchBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import type { BareServer } from './bare-server.ts';
import { alternate, type Bench } from './bench.ts';
import { delayLines, delayNotes } from './delay-report.ts';
import { bareFeed, Camera, elementFeed, go2rtcFeed, SIZE, WebGear } from './feeds.ts';
import { Go2rtc } from './go2rtc.ts';
import { BenchProcess } from './processes.ts';
import type { Target } from './report.ts';
import { measureShownDelays, type ShownDelays } from './shown-delays.ts';

const FPS = 30;

const TARGETS: readonly Target[] = [
  { is: 'ratio', to: 'WebGear', atMost: 0.6 },
  { is: 'difference', to: 'bare page', atMost: 5 },
];

/** Latency from a camera program to the screen, for each method of showing its frames in a browser. */
export const latency: Bench = {
  name: 'latency',
  summary: "ms from a program's frame to the browser's screen, compared with WebGear and a hand-written page",
  effort: { rounds: 10, seconds: 4 },
  async run({ rounds, seconds }) {
    const [cameraPort = 0, webGearPort = 0, go2rtcPort = 0] = await freePorts(3);
    await using camera = new Camera(cameraPort, SIZE);
    await using webGear = new WebGear(webGearPort, SIZE, FPS);
    await using bare = new BenchProcess<BareServer>('./bare-server.ts');
    await using browser = await launchBrowser('chromium');
    const barePort = await bare.ask('listen');
    await using go2rtc = Go2rtc.isThere()
      ? new Go2rtc({ ports: { api: go2rtcPort }, source: `http://127.0.0.1:${barePort}/mjpeg` })
      : null;

    const page = await browser.newPage({ type: 'window' });
    await page.setViewport({ width: SIZE.width, height: SIZE.height });
    const feeds = {
      Gearway: elementFeed(camera),
      WebGear: webGear,
      'bare page': bareFeed(bare, barePort),
      ...(go2rtc === null ? {} : { go2rtc: go2rtcFeed(go2rtc, bare) }),
    };
    const measurements = Object.entries(feeds).map(
      ([name, feed]) => [name, () => measureShownDelays(feed, page, FPS, seconds)] as const,
    );
    const measured = await alternate<string, ShownDelays>(rounds, Object.fromEntries(measurements));
    return {
      method: `Time from the moment when the program has a frame of ${SIZE.width}x${SIZE.height} as samples until Chromium's compositor shows it in a window of that size, by its screencast, at ${FPS} fps. All encode JPEG at quality 90, 4:2:2, about ${SIZE.kilobytes} KB. Gearway: NetGear's server, the gateway, <gearway-viewer> on the viewer page. WebGear and go2rtc: their MJPEG in <img>. The bare page: ws, a worker, createImageBitmap and a canvas.`,
      lines: delayLines(`${SIZE.height}p, ${FPS} fps`, measured, TARGETS),
      notes: [
        ...delayNotes(measured),
        ...(go2rtc === null ? ['go2rtc is not on the PATH, and was not measured.'] : []),
      ],
    };
  },
};

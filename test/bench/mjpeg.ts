import { launchBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { alternate, type Bench } from './bench.ts';
import { delayLines, delayNotes } from './delay-report.ts';
import { Camera, imageFeed, SIZE, WebGear } from './feeds.ts';
import type { Line } from './report.ts';
import { measureShownDelays } from './shown-delays.ts';

/** Rates, with the maximum ratio to WebGear's latency. */
const RATES = [
  { fps: 5, atMost: 0.3 },
  { fps: 30, atMost: 0.7 },
] as const;

/** MJPEG in an `<img>`, of the gateway and of WebGear, for pages without JavaScript. */
export const mjpeg: Bench = {
  name: 'mjpeg',
  summary: "ms from a program's frame to the browser's screen, by MJPEG in an <img>, compared with WebGear",
  effort: { rounds: 6, seconds: 4 },
  async run({ rounds, seconds }) {
    const [cameraPort = 0, ...webGearPorts] = await freePorts(1 + RATES.length);
    await using camera = new Camera(cameraPort, SIZE);
    await using slow = new WebGear(webGearPorts[0] ?? 0, SIZE, RATES[0].fps);
    await using fast = new WebGear(webGearPorts[1] ?? 0, SIZE, RATES[1].fps);
    await using browser = await launchBrowser('chromium');
    const page = await browser.newPage({ type: 'window' });
    await page.setViewport({ width: SIZE.width, height: SIZE.height });

    const gearway = imageFeed(camera);
    const lines: Line[] = [];
    const notes: string[] = [];
    for (const [{ fps, atMost }, webGear] of [
      [RATES[0], slow],
      [RATES[1], fast],
    ] as const) {
      const measured = await alternate(rounds, {
        Gearway: () => measureShownDelays(gearway, page, fps, seconds),
        WebGear: () => measureShownDelays(webGear, page, fps, seconds),
      });
      lines.push(...delayLines(`${fps} fps`, measured, [{ is: 'ratio', to: 'WebGear', atMost }]));
      notes.push(...delayNotes(measured).map((note) => `${fps} fps, ${note}`));
    }
    return {
      method: `Time from the moment when the program has a frame of ${SIZE.width}x${SIZE.height} as samples until Chromium's compositor shows it in an <img>, by its screencast. Both encode JPEG at quality 90, 4:2:2, about ${SIZE.kilobytes} KB. Gearway: NetGear's server, the gateway, GET /streams/main/mjpeg.`,
      lines,
      notes,
    };
  },
};

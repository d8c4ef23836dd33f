import { setTimeout as delay } from 'node:timers/promises';
import { symmetricLink } from '../helpers/shaped-relay.ts';
import { alternate, type Bench, type BenchEffort, isTrial, settleMs } from './bench.ts';
import { filmFrames, type FilmName } from './film.ts';
import { pictureQuality, QUALITY_METHOD } from './film-quality.ts';
import { FilmStage } from './film-stage.ts';
import type { Line } from './report.ts';
import { agesOf, filmLine, longestFreezeMs } from './shown-film.ts';
import { median, percentile, requireFrames } from './statistics.ts';

interface ThinLink {
  readonly bitsPerSecond: number;
  readonly delayMs: number;
  readonly film: FilmName;
  readonly leastFps: number;
  readonly mostMedianMs: number;
  readonly mostLateMs: number | null;
  readonly mostFirstMs: number;
  readonly leastSsim?: number;
}

const LINKS: readonly ThinLink[] = [
  {
    bitsPerSecond: 2e6,
    delayMs: 60,
    film: 'camera',
    leastFps: 25,
    mostMedianMs: 250,
    mostLateMs: 400,
    mostFirstMs: 1500,
    leastSsim: 0.9,
  },
  {
    bitsPerSecond: 2e6,
    delayMs: 60,
    film: 'test pattern',
    leastFps: 25,
    mostMedianMs: 250,
    mostLateMs: 400,
    mostFirstMs: 1500,
  },
  {
    bitsPerSecond: 8e6,
    delayMs: 20,
    film: 'camera',
    leastFps: 28,
    mostMedianMs: 150,
    mostLateMs: 250,
    mostFirstMs: 1000,
  },
  {
    bitsPerSecond: 0.5e6,
    delayMs: 100,
    film: 'camera',
    leastFps: 10,
    mostMedianMs: 500,
    mostLateMs: null,
    mostFirstMs: 3000,
  },
];

interface Measurement {
  readonly framesPerSecond: number;
  readonly medianMs: number;
  readonly lateMs: number;
  readonly firstMs: number;
  readonly freezeMs: number;
  readonly ssim: number;
  /**
   * Times of a return value: until the server has received the value (95th percentile), and until the viewer has
   * received the gateway's acknowledgement (median and 95th percentile).
   */
  readonly returnMs: number;
  readonly answeredMs: number;
  readonly answeredLateMs: number;
}

/** Time after the first picture in which the gateway estimates the link's rate. */
const SETTLE_MS = 4000;

/** Minimum duration, because a shorter measurement of a slow link contains few pictures. */
const LEAST_SECONDS = 2;

/** Time after the measurement in which frames in transit are shown. */
const LATEST_MS = 1500;

/** Number of shown pictures that are compared with the source's, and the time between them, after the measurement. */
const COMPARED = 4;
const COMPARED_EVERY_MS = 400;

/** Number of returned values, and the time between them, while the film continues. Not a multiple of a frame's time. */
const PROBES = 30;
const TRIAL_PROBES = 5;
const PROBE_EVERY_MS = 107;

const nameOf = ({ bitsPerSecond, delayMs, film }: ThinLink): string =>
  `${bitsPerSecond / 1e6} Mbit/s, ${delayMs} ms each way, ${film}`;

/** Measures a viewer behind a link that cannot carry the unmodified frames of the source. */
export const thin: Bench = {
  name: 'thin',
  summary: 'fps, latency, first picture and quality of 720p at 30 fps in Chromium behind 2, 8 and 0.5 Mbit/s',
  effort: { rounds: 3, seconds: 10 },
  async run(effort) {
    const { rounds } = effort;
    const seconds = Math.max(LEAST_SECONDS, effort.seconds);
    await using stage = await FilmStage.open();
    const frames = filmFrames(effort);
    const bytes = {
      camera: await stage.make('camera', frames),
      'test pattern': await stage.make('test pattern', frames),
    };
    const links = await Promise.all(LINKS.map(async (link) => ({ link, port: await stage.link(symmetricLink(link)) })));
    const measured = await alternate<string, Measurement>(
      rounds,
      Object.fromEntries(
        links.map(({ link, port }) => [nameOf(link), () => measure(stage, link.film, port, seconds, effort)]),
      ),
    );
    const kilobytes = (film: FilmName): number => Math.round(bytes[film] / 1000);
    return {
      method: `1280x720 at 30 fps as JPEG (quality 90, 4:2:2) from a NetGear server: a film with a pan, moving objects and sensor noise, ${kilobytes('camera')} KB per frame, and the test pattern, ${kilobytes('test pattern')} KB. Chromium opens the viewer page with an empty cache behind a relay with the link's bandwidth and delay in both directions and a queue of 64 KiB. Latency: from the moment when the NetGear server gets a frame until Chromium's compositor shows it, by its screencast, for ${seconds} s, beginning ${SETTLE_MS / 1000} s after the first picture. First picture: from opening the page's address. Return data: the viewer sends ${PROBES} values during the film, one every ${PROBE_EVERY_MS} ms. Two times are measured: until the NetGear server has the value, with the reply to its next frame, and until the viewer has the gateway's acknowledgement, which shares the connection with the video. The targets are twice the link's round trip. Picture quality: ${QUALITY_METHOD}.`,
      lines: LINKS.flatMap((link) => linesOf(link, measured[nameOf(link)] ?? [])),
      notes: ["The relay carries TCP's payload: its handshakes, slow start and losses are not in these figures."],
    };
  },
};

async function measure(
  stage: FilmStage,
  film: FilmName,
  port: number,
  seconds: number,
  effort: BenchEffort,
): Promise<Measurement> {
  const { result, handedOver } = await stage.show(film, port, async (page) => {
    const first = await page.first();
    await delay(settleMs(SETTLE_MS, effort));
    const fromMs = Date.now();
    await page.watch(seconds);
    const toMs = Date.now();
    await delay(settleMs(LATEST_MS, effort));
    const shown = [...page.shown];
    const probes = await page.probe(isTrial(effort) ? TRIAL_PROBES : PROBES, PROBE_EVERY_MS);
    await delay(LATEST_MS);
    const arrivals = await stage.arrivals();
    const pngs: Buffer[] = [];
    for (; pngs.length < (isTrial(effort) ? 1 : COMPARED); await delay(COMPARED_EVERY_MS))
      pngs.push(await page.snapshot());
    return { firstMs: first.atMs - page.openedAtMs, fromMs, toMs, shown, pngs, probes, arrivals };
  });
  const { fromMs, toMs } = result;
  const frames = agesOf(handedOver, result.shown).filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  requireFrames(frames.length);
  const latencies = frames.map(({ latencyMs }) => latencyMs);
  return {
    framesPerSecond: (frames.length * 1000) / (toMs - fromMs),
    medianMs: median(latencies),
    lateMs: percentile(latencies, 0.95),
    firstMs: result.firstMs,
    freezeMs: longestFreezeMs(frames, fromMs, toMs),
    returnMs: percentile(
      result.probes.map(
        ({ probe, atMs }) => (result.arrivals.find((arrival) => arrival.probe === probe)?.atMs ?? Infinity) - atMs,
      ),
      0.95,
    ),
    answeredMs: median(result.probes.map(({ roundTripMs }) => roundTripMs)),
    answeredLateMs: percentile(
      result.probes.map(({ roundTripMs }) => roundTripMs),
      0.95,
    ),
    ssim: median(await Promise.all(result.pngs.map((png) => pictureQuality(stage, film, png)))),
  };
}

function linesOf(link: ThinLink, rounds: readonly Measurement[]): Line[] {
  const name = nameOf(link);
  return [
    filmLine(rounds, 'framesPerSecond', `${name}: shown`, 'fps', [{ is: 'value', atLeast: link.leastFps }]),
    filmLine(rounds, 'medianMs', `${name}: latency, median`, 'ms', [{ is: 'value', atMost: link.mostMedianMs }]),
    filmLine(
      rounds,
      'lateMs',
      `${name}: latency, 95 % within`,
      'ms',
      link.mostLateMs === null ? [] : [{ is: 'value', atMost: link.mostLateMs }],
    ),
    filmLine(rounds, 'firstMs', `${name}: first picture`, 'ms', [{ is: 'value', atMost: link.mostFirstMs }]),
    filmLine(rounds, 'freezeMs', `${name}: longest freeze`, 'ms'),
    filmLine(rounds, 'returnMs', `${name}: return data, 95 % at the server within`, 'ms', [
      { is: 'value', atMost: 4 * link.delayMs },
    ]),
    filmLine(rounds, 'answeredMs', `${name}: return data, acknowledged after`, 'ms', [
      { is: 'value', atMost: 4 * link.delayMs },
    ]),
    filmLine(rounds, 'answeredLateMs', `${name}: return data, 95 % acknowledged within`, 'ms'),
    filmLine(
      rounds,
      'ssim',
      `${name}: picture quality`,
      'SSIM',
      link.leastSsim === undefined ? [] : [{ is: 'value', atLeast: link.leastSsim }],
    ),
  ];
}

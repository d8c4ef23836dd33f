import { setTimeout as delay } from 'node:timers/promises';
import { Disposables } from '../helpers/disposables.ts';
import { freePorts } from '../helpers/free-port.ts';
import { symmetricLink } from '../helpers/shaped-relay.ts';
import { alternate, type Bench, type BenchEffort, isTrial, settleMs } from './bench.ts';
import { filmFrames } from './film.ts';
import { pictureQuality, QUALITY_METHOD } from './film-quality.ts';
import { FilmStage, type Showing } from './film-stage.ts';
import { Go2rtc, type Go2rtcMode } from './go2rtc.ts';
import type { Line, Target } from './report.ts';
import { agesOf, comparedLine, type FilmPage, longestFreezeMs } from './shown-film.ts';
import { median, percentile, requireFrames } from './statistics.ts';

interface ComparedLink {
  readonly bitsPerSecond: number;
  readonly delayMs: number;
  /** Bit rate of go2rtc's video, which does not adapt: three quarters of the link's. */
  readonly videoBitsPerSecond: number;
}

const LINKS: readonly ComparedLink[] = [
  { bitsPerSecond: 2e6, delayMs: 60, videoBitsPerSecond: 1.5e6 },
  { bitsPerSecond: 8e6, delayMs: 20, videoBitsPerSecond: 6e6 },
];

/** The methods by which go2rtc sends a stream to a browser, by their names in the report. */
const MODES: Readonly<Record<string, Go2rtcMode>> = { 'go2rtc, WebRTC': 'webrtc', 'go2rtc, MSE': 'mse' };

const FILM_NAME = 'camera';

/** Length of the queue in front of the link. */
const QUEUE_MS = 250;

/** Time after the first picture in which rates and buffers settle. */
const SETTLE_MS = 4000;

/** Time in which the browser reports the last shown pictures. */
const REPORT_MS = 300;

/** Minimum bit rate with which a program can show the film; less means that the pictures bypass the link. */
const LEAST_MEGABITS_PER_SECOND = 0.1;

/** Minimum duration, because a shorter measurement of a slow link contains few pictures. */
const LEAST_SECONDS = 2;

/** Number of shown pictures that are compared with the source's, and the time between them, after the measurement. */
const COMPARED = 3;
const COMPARED_EVERY_MS = 300;

interface Measurement {
  readonly framesPerSecond: number;
  readonly medianMs: number;
  readonly lateMs: number;
  readonly freezeMs: number;
  readonly firstMs: number;
  /** Throughput of the link to the browser. */
  readonly megabitsPerSecond: number;
  readonly ssim: number;
}

type Measured = Readonly<Record<string, readonly Measurement[]>>;

/** Shows the film in a page behind a link. */
type Show = <T>(watch: (page: FilmPage) => Promise<T>) => Promise<Showing<T>>;

/** Compares the film of `thin` with the same film through go2rtc, behind the same links. */
export const sideBySide: Bench = {
  name: 'go2rtc',
  summary: 'fps, latency, first picture and quality of 720p at 30 fps behind 2 and 8 Mbit/s, compared with go2rtc',
  effort: { rounds: 2, seconds: 5 },
  async run(effort) {
    const seconds = Math.max(LEAST_SECONDS, effort.seconds);
    const version = Go2rtc.version();
    await using stage = await FilmStage.open();
    const kilobytes = Math.round((await stage.make(FILM_NAME, filmFrames(effort))) / 1000);
    const lines: Line[] = [];
    const notes = version === null ? ['go2rtc is not on the PATH, and was not measured.'] : [];
    for (const link of LINKS) {
      const { measured, lost } = await compare(stage, link, version !== null, effort, seconds);
      lines.push(...linesOf(link, measured));
      if (lost > 0) notes.push(`${nameOf(link)}: ${lost} of WebRTC's datagrams found the queue full, and were lost.`);
    }
    return {
      method: `The film of the benchmark "thin", 1280x720 at 30 fps, ${kilobytes} KB per JPEG. Gearway: from a NetGear server, through the gateway, to its viewer page. go2rtc${version === null ? '' : ` ${version}`}: FFmpeg gets the same JPEGs and publishes H.264 by RTSP (libx264, ${LINKS.map(({ videoBitsPerSecond }) => videoBitsPerSecond / 1e6).join(' and ')} Mbit/s, otherwise with go2rtc's own options, and a key frame per second), and go2rtc's page stream.html shows it by MSE or WebRTC. Both pages are behind a relay with the link's bandwidth and delay in both directions and a queue of ${QUEUE_MS} ms, WebRTC over UDP. Latency: from the moment when the NetGear server or FFmpeg gets a JPEG until Chromium's compositor shows it, by its screencast, for ${seconds} s, beginning ${SETTLE_MS / 1000} s after the first picture. First picture: from opening the page's address. Picture quality: ${QUALITY_METHOD}.`,
      lines,
      notes,
    };
  },
};

const nameOf = ({ bitsPerSecond, delayMs }: ComparedLink): string =>
  `${bitsPerSecond / 1e6} Mbit/s, ${delayMs} ms each way`;

/** @returns the measurements of each program, and the number of datagrams that the link has lost. */
async function compare(
  stage: FilmStage,
  { bitsPerSecond, delayMs, videoBitsPerSecond }: ComparedLink,
  withGo2rtc: boolean,
  effort: BenchEffort,
  seconds: number,
): Promise<{ measured: Measured; lost: number }> {
  const { rounds } = effort;
  const shape = symmetricLink({ bitsPerSecond, delayMs, queueBytes: (bitsPerSecond / 8000) * QUEUE_MS });
  await using servers = new Disposables();
  const gatewayLink = await stage.link(shape);
  const measurements: Record<string, () => Promise<Measurement>> = {
    Gearway: () => measure(stage, gatewayLink, seconds, effort, (watch) => stage.show(FILM_NAME, gatewayLink, watch)),
  };
  if (!withGo2rtc) return { measured: await alternate(rounds, measurements), lost: 0 };

  const [api = 0, rtsp = 0, webrtc = 0] = await freePorts(3);
  const link = await stage.relay.ask('open', api, shape);
  await stage.relay.ask('openDatagrams', link, webrtc);
  const server = servers.use(
    new Go2rtc({ ports: { api, rtsp, webrtc }, source: null, candidates: [`127.0.0.1:${link}`] }),
  );
  for (const [name, mode] of Object.entries(MODES)) {
    measurements[name] = () =>
      measure(stage, link, seconds, effort, (watch) =>
        stage.showBy(server, FILM_NAME, videoBitsPerSecond, link, mode, watch),
      );
  }
  return { measured: await alternate(rounds, measurements), lost: await stage.relay.ask('lost', link) };
}

async function measure(
  stage: FilmStage,
  link: number,
  seconds: number,
  effort: BenchEffort,
  show: Show,
): Promise<Measurement> {
  const carriedBytes = async (): Promise<number> => (await stage.relay.ask('carried', link)).down;
  const { result, handedOver } = await show(async (page) => {
    const first = await page.first();
    await delay(settleMs(SETTLE_MS, effort));
    const [fromMs, fromBytes] = [Date.now(), await carriedBytes()];
    await page.watch(seconds);
    const [toMs, toBytes] = [Date.now(), await carriedBytes()];
    await delay(REPORT_MS);
    const shown = [...page.shown];
    const pngs: Buffer[] = [];
    for (; pngs.length < (isTrial(effort) ? 1 : COMPARED); await delay(COMPARED_EVERY_MS))
      pngs.push(await page.snapshot());
    return { firstMs: first.atMs - page.openedAtMs, fromMs, toMs, bytes: toBytes - fromBytes, shown, pngs };
  });
  const { fromMs, toMs } = result;
  const frames = agesOf(handedOver, result.shown).filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  requireFrames(frames.length);
  const megabitsPerSecond = (result.bytes * 8) / 1000 / (toMs - fromMs);
  if (megabitsPerSecond < LEAST_MEGABITS_PER_SECOND) throw new Error('the page received its pictures without the link');
  const latencies = frames.map(({ latencyMs }) => latencyMs);
  return {
    framesPerSecond: (frames.length * 1000) / (toMs - fromMs),
    medianMs: median(latencies),
    lateMs: percentile(latencies, 0.95),
    freezeMs: longestFreezeMs(frames, fromMs, toMs),
    firstMs: result.firstMs,
    megabitsPerSecond,
    ssim: median(await Promise.all(result.pngs.map((png) => pictureQuality(stage, FILM_NAME, png)))),
  };
}

function linesOf(link: ComparedLink, measured: Measured): Line[] {
  const name = nameOf(link);
  const targets = Object.keys(measured).flatMap((to): Target[] =>
    to in MODES ? [{ is: 'ratio', to, atMost: 1 }] : [],
  );
  return [
    comparedLine(measured, 'framesPerSecond', `${name}: shown`, 'fps'),
    comparedLine(measured, 'medianMs', `${name}: latency, median`, 'ms', targets),
    comparedLine(measured, 'lateMs', `${name}: latency, 95 % within`, 'ms'),
    comparedLine(measured, 'freezeMs', `${name}: longest freeze`, 'ms'),
    comparedLine(measured, 'firstMs', `${name}: first picture`, 'ms'),
    comparedLine(measured, 'megabitsPerSecond', `${name}: carried`, 'Mbit/s'),
    comparedLine(measured, 'ssim', `${name}: picture quality`, 'SSIM'),
  ];
}

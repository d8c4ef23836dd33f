import { setTimeout as delay } from 'node:timers/promises';
import { symmetricLink } from '../helpers/shaped-relay.ts';
import { alternate, type Bench, type BenchEffort, settleMs } from './bench.ts';
import { filmFrames, type FilmName } from './film.ts';
import { FilmStage } from './film-stage.ts';
import type { Line } from './report.ts';
import { agesOf, filmLine, longestFreezeMs, recoveryMs } from './shown-film.ts';
import { median, percentile } from './statistics.ts';

const FILMS: readonly FilmName[] = ['camera', 'test pattern'];

const WIDE = 50e6;
const NARROW = 1e6;
const DELAY_MS = 20;

/** Time before the first change. */
const SETTLE_MS = 5000;

/**
 * Frames on the narrow link count from this time after the change, or from half of the duration of the narrow link if
 * that is earlier.
 */
const ADAPTED_MS = 3000;

/** Period over which bytes per second are averaged. */
const RATE_WINDOW_MS = 1000;
const SAMPLE_MS = 100;

/**
 * Share of the bytes per second before the link became narrow. From this share on, the viewer receives the source's
 * frames again.
 */
const RESTORED = 0.8;

/** Value reported for an event that did not happen within the measurement. */
const NEVER_MS = 60_000;

interface Measurement {
  readonly downMs: number;
  readonly upMs: number;
  readonly freezeMs: number;
  readonly framesPerSecond: number;
  readonly medianMs: number;
  readonly lateMs: number;
}

/** Measures a viewer on a link that becomes narrow and then wide again. */
export const adaptive: Bench = {
  name: 'adaptive',
  summary: 'time in which a viewer adapts to a link that changes from 50 to 1 Mbit/s and back',
  effort: { rounds: 4, seconds: 15 },
  async run(effort) {
    const { rounds, seconds } = effort;
    const frames = filmFrames(effort);
    await using stage = await FilmStage.open();
    const sizes: Record<FilmName, number> = {
      camera: await stage.make('camera', frames),
      'test pattern': await stage.make('test pattern', frames),
    };
    const viewers = await alternate<FilmName, Measurement>(rounds, {
      camera: () => measure(stage, 'camera', effort),
      'test pattern': () => measure(stage, 'test pattern', effort),
    });
    const kilobytes = FILMS.map((film) => `${film} ${Math.round(sizes[film] / 1000)} KB`).join(', ');
    return {
      method: `The films of the benchmark "thin", 1280x720 at 30 fps (mean size of a frame: ${kilobytes}), in Chromium behind a relay of ${DELAY_MS} ms each way: ${WIDE / 1e6} Mbit/s, then ${NARROW / 1e6} Mbit/s for ${seconds} s, then ${WIDE / 1e6} Mbit/s for ${seconds} s. Recovered: pictures are at most 500 ms old, at 8 fps or more, and remain so for 2 s. Restored: the link carries ${RESTORED * 100} % of the bytes per second before.`,
      lines: FILMS.flatMap((film) => linesOf(film, viewers[film])),
      notes: [
        ...FILMS.map(
          (film) =>
            `${film}: the transmission of one frame of the source takes ${Math.round((sizes[film] * 8000) / NARROW)} ms at ${NARROW / 1e6} Mbit/s.`,
        ),
        `A value of ${NEVER_MS} ms means that the event did not happen within the measurement.`,
      ],
    };
  },
};

function linesOf(film: FilmName, viewer: readonly Measurement[]): Line[] {
  const narrow = `${film}: behind ${NARROW / 1e6} Mbit/s`;
  return [
    filmLine(viewer, 'downMs', `${film}: to narrow, until recovered`, 'ms', [{ is: 'value', atMost: 2000 }]),
    filmLine(viewer, 'upMs', `${film}: to wide, until restored`, 'ms', [{ is: 'value', atMost: 10_000 }]),
    filmLine(viewer, 'freezeMs', `${film}: longest freeze`, 'ms', [{ is: 'value', atMost: 1000 }]),
    filmLine(viewer, 'framesPerSecond', `${narrow}, shown`, 'fps'),
    filmLine(viewer, 'medianMs', `${narrow}, latency, median`, 'ms'),
    filmLine(viewer, 'lateMs', `${narrow}, latency, 95 % within`, 'ms'),
  ];
}

async function measure(stage: FilmStage, film: FilmName, effort: BenchEffort): Promise<Measurement> {
  const { seconds } = effort;
  const port = await stage.link(symmetricLink({ bitsPerSecond: WIDE, delayMs: DELAY_MS }));
  const change = (bitsPerSecond: number): Promise<number> =>
    stage.relay.ask('shape', port, symmetricLink({ bitsPerSecond }));
  /** Samples the link for a while. @returns the number of bytes that the link has carried at each time. */
  const watch = async (ms: number): Promise<Carried[]> => {
    const carried: Carried[] = [];
    for (const endMs = Date.now() + ms; Date.now() < endMs; await delay(SAMPLE_MS))
      carried.push({ atMs: Date.now(), bytes: (await stage.relay.ask('carried', port)).down });
    return carried;
  };
  const { result, handedOver } = await stage.show(film, port, async (page) => {
    await page.first();
    const before = await watch(settleMs(SETTLE_MS, effort));
    const narrowAtMs = await change(NARROW);
    await delay(seconds * 1000);
    const wideAtMs = await change(WIDE);
    const behind = await watch(seconds * 1000);
    return { narrowAtMs, wideAtMs, endMs: Date.now(), before, behind, shown: [...page.shown] };
  });
  const { narrowAtMs, wideAtMs, endMs, before, behind } = result;
  const frames = agesOf(handedOver, result.shown);
  const wanted =
    RESTORED *
    Math.max(0, ...bytesPerSecond(before.slice(-1 - (2 * RATE_WINDOW_MS) / SAMPLE_MS)).map(({ rate }) => rate));
  const restored = bytesPerSecond(behind).find(({ rate }) => rate >= wanted);
  const adaptedAtMs = Math.min(narrowAtMs + ADAPTED_MS, (narrowAtMs + wideAtMs) / 2);
  const narrow = frames.filter(({ atMs }) => atMs >= adaptedAtMs && atMs < wideAtMs);
  const latencies = narrow.map(({ latencyMs }) => latencyMs);
  return {
    downMs: recoveryMs(frames, narrowAtMs, wideAtMs) ?? NEVER_MS,
    upMs: restored === undefined ? NEVER_MS : restored.atMs - wideAtMs,
    freezeMs: longestFreezeMs(frames, narrowAtMs, endMs),
    framesPerSecond: (narrow.length * 1000) / (wideAtMs - adaptedAtMs),
    medianMs: latencies.length === 0 ? NEVER_MS : median(latencies),
    lateMs: latencies.length === 0 ? NEVER_MS : percentile(latencies, 0.95),
  };
}

interface Carried {
  readonly atMs: number;
  readonly bytes: number;
}

/** The rate during the second before each time. */
function bytesPerSecond(carried: readonly Carried[]): { atMs: number; rate: number }[] {
  return carried.flatMap(({ atMs, bytes }) => {
    const from = carried.find(
      (one) => one.atMs <= atMs - RATE_WINDOW_MS + SAMPLE_MS && one.atMs >= atMs - RATE_WINDOW_MS - SAMPLE_MS,
    );
    return from === undefined ? [] : [{ atMs, rate: ((bytes - from.bytes) * 1000) / (atMs - from.atMs) }];
  });
}

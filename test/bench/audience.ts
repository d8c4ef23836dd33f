import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import { symmetricLink } from '../helpers/shaped-relay.ts';
import { evenPart, ladder, stepName, type VideoStep } from '../../gateway/renditions/ladder.ts';
import type { AudienceGateway, EncoderUsage } from './audience-gateway.ts';
import { alternate, type Bench, type BenchEffort, settleMs } from './bench.ts';
import { Disposables } from '../helpers/disposables.ts';
import { FILM, filmFrames } from './film.ts';
import type { FilmSource } from './film-source.ts';
import type { FilmViewers, Received } from './film-viewers.ts';
import type { LinkRelay } from './link-relay.ts';
import { NativePeer } from './native-peer.ts';
import { BenchProcess } from './processes.ts';
import type { Line } from './report.ts';
import type { HandedOver, Shown } from './shown-delays.ts';
import { agesOf } from './shown-film.ts';
import { median, NoValuesError } from './statistics.ts';
import type { Usage } from './usage-meter.ts';

const THIN = { bitsPerSecond: 2e6, delayMs: 60 };
const CROWD = 20;
const [MIXED_FAST, MIXED_THIN, NATIVE] = [3, 3, 2];

/** Time for thin viewers to settle on a rendition. */
const SETTLE_MS = 6000;

/** Time for the encoder to end after the thin viewers have left. */
const PAUSE_MS = 4000;

const MOST_LOOP_DELAY_MS = 10;

/** Maximum relative change that thin viewers may cause in the frame rate and the latency of other clients. */
const TOLERANCE = 0.05;

const ELEMENT = { video: true, width: FILM.width, height: FILM.height } as const;

/** The H.264 steps of the film. */
const STEPS = ladder({
  quality: 'auto',
  ...FILM,
  shownWidth: FILM.width,
  shownHeight: FILM.height,
  hasVideo: true,
}).filter((step): step is VideoStep => step.kind === 'h264');

interface Crowded {
  readonly usage: Usage & EncoderUsage;
  readonly thin: readonly Received[];
  readonly seconds: number;
}

/** Frame rate of each client, and the median of all latencies. */
interface Watched {
  readonly framesPerSecond: number;
  readonly latencyMs: number;
}

interface Mixed {
  readonly fast: Watched;
  readonly native: Watched;
  readonly usage: Usage & EncoderUsage;
}

/** Measures many thin viewers of one stream, and a few thin viewers together with fast viewers and native clients. */
export const audience: Bench = {
  name: 'audience',
  summary: `encoders, event-loop delay and CPU with ${CROWD} thin viewers, and the effect of some on fast viewers and native clients`,
  effort: { rounds: 4, seconds: 10 },
  async run(effort) {
    const { rounds, seconds } = effort;
    const crowd = effort.viewers?.at(-1) ?? CROWD;
    await using stage = await Stage.open(crowd, effort);
    process.stderr.write('  steps …\n');
    const steps = await alternate(
      rounds,
      Object.fromEntries(STEPS.map((step) => [stepName(step), () => stage.cost(step, seconds)])),
    );
    process.stderr.write(`  ${crowd} thin viewers …\n`);
    const { crowded } = await alternate(rounds, { crowded: () => stage.crowd(crowd, seconds) });
    process.stderr.write('  a mixed audience …\n');
    const mixed = await alternate(rounds, {
      with: () => stage.mixed(MIXED_THIN, seconds),
      without: () => stage.mixed(0, seconds),
    });
    return {
      method: `The film of the benchmark "thin", ${FILM.width}x${FILM.height} at ${FILM.fps} fps, from a NetGear server to a gateway. Viewers in another process show renditions like the element and acknowledge each frame without decoding it; thin ones are each behind a separate link of ${THIN.bitsPerSecond / 1e6} Mbit/s and ${THIN.delayMs} ms each way, in one process of relays. First one viewer on a fast link for each H.264 step, by its maximum bit rate; then ${crowd} thin viewers; then ${MIXED_FAST} fast viewers and ${NATIVE} real NetGear clients (VidGear, multi-clients mode), with ${MIXED_THIN} thin viewers and without, in alternation. Encoders are FFmpeg processes, sampled every 100 ms. Latency: from the hand-over to the NetGear server to a viewer's last byte, or a client's decoded frame.`,
      lines: [
        ...STEPS.map((step) => costLine(step, steps[stepName(step)] ?? [])),
        ...crowdLines(crowd, crowded),
        ...mixedLines(mixed),
      ],
      notes: crowdNotes(crowd, crowded),
    };
  },
};

class Stage implements AsyncDisposable {
  readonly #all = new Disposables();
  readonly #gateway: BenchProcess<AudienceGateway>;
  readonly #source: BenchProcess<FilmSource>;
  readonly #relay: BenchProcess<LinkRelay>;
  readonly #viewers: BenchProcess<FilmViewers>;
  readonly #thinViewers: BenchProcess<FilmViewers>;
  readonly #effort: BenchEffort;
  #clients: readonly NativePeer[] = [];
  #port = 0;
  #sourcePort = 0;
  #links: readonly number[] = [];

  private constructor(effort: BenchEffort) {
    this.#effort = effort;
    this.#gateway = this.#all.use(new BenchProcess<AudienceGateway>('./audience-gateway.ts'));
    this.#source = this.#all.use(new BenchProcess<FilmSource>('./film-source.ts'));
    this.#relay = this.#all.use(new BenchProcess<LinkRelay>('./link-relay.ts'));
    this.#viewers = this.#all.use(new BenchProcess<FilmViewers>('./film-viewers.ts'));
    this.#thinViewers = this.#all.use(new BenchProcess<FilmViewers>('./film-viewers.ts'));
  }

  /** @param links number of thin links. */
  static async open(links: number, effort: BenchEffort): Promise<Stage> {
    const stage = new Stage(effort);
    try {
      await stage.#open(Math.max(links, MIXED_THIN));
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(links: number): Promise<void> {
    const [sourcePort = 0, ...clientPorts] = await freePorts(1 + NATIVE);
    this.#sourcePort = sourcePort;
    await this.#source.ask('make', 'camera', filmFrames(this.#effort));
    this.#port = await this.#gateway.ask('listen', sourcePort, clientPorts);
    // Started after the film has been made, because a client that receives no frames for a few seconds tries to restart
    // itself, which fails.
    this.#clients = clientPorts.map((port) => this.#all.use(new NativePeer('film_client.py', { port })));
    await Promise.all(this.#clients.map((client) => client.waitFor('ready')));
    this.#links = await Promise.all(
      Array.from({ length: links }, () => this.#relay.ask('open', this.#port, symmetricLink(THIN))),
    );
  }

  /** CPU time of the encoder per frame, for one viewer that gets this step. */
  async cost(step: VideoStep, seconds: number): Promise<number> {
    const { usage, received } = await this.#film(async () => {
      await this.#viewers.ask('connect', 'one', [this.#port], { ...ELEMENT, maxBitsPerSecond: step.bitsPerSecond });
      await this.#settle(SETTLE_MS / 2);
      await this.#viewers.ask('gets', 'one', stepName(step));
      const used = await this.#measure(seconds);
      const [one] = await this.#viewers.ask('stop', 'one');
      await this.#viewers.ask('disconnect', 'one');
      return { usage: used, received: one };
    });
    await this.#settle(PAUSE_MS);
    const frames = received?.renditions[stepName(step)] ?? 0;
    if (frames === 0)
      throw new NoValuesError(
        `a viewer got ${JSON.stringify(received?.renditions)}, expected frames of ${stepName(step)}`,
      );
    return usage.cpuMs / frames;
  }

  async crowd(count: number, seconds: number): Promise<Crowded> {
    const result = await this.#film(async () => {
      await this.#thinViewers.ask('connect', 'thin', this.#links.slice(0, count), ELEMENT);
      await this.#settle(SETTLE_MS);
      const usage = await this.#measure(seconds);
      const thin = await this.#thinViewers.ask('stop', 'thin');
      await this.#thinViewers.ask('disconnect', 'thin');
      return { usage, thin, seconds: usage.elapsedMs / 1000 };
    });
    await this.#settle(PAUSE_MS);
    return result;
  }

  async mixed(thin: number, seconds: number): Promise<Mixed> {
    const ports = Array.from({ length: MIXED_FAST }, () => this.#port);
    const result = await this.#film(async () => {
      await this.#viewers.ask('connect', 'fast', ports, ELEMENT);
      if (thin > 0) await this.#thinViewers.ask('connect', 'thin', this.#links.slice(0, thin), ELEMENT);
      await this.#settle(SETTLE_MS);
      await Promise.all(this.#clients.map((client) => client.ask('go')));
      const usage = await this.#measure(seconds);
      const fast = (await this.#viewers.ask('stop', 'fast')).map(({ frames }) => frames);
      const native = await Promise.all(this.#clients.map((client) => nativeFrames(client)));
      await this.#viewers.ask('disconnect', 'fast');
      if (thin > 0) await this.#thinViewers.ask('disconnect', 'thin');
      return { usage, fast, native };
    });
    await this.#settle(PAUSE_MS);
    const { usage, handedOver } = result;
    const watched = (all: readonly (readonly Shown[])[]): Watched => ({
      framesPerSecond: (all.flat().length * 1000) / usage.elapsedMs / all.length,
      latencyMs: median(all.flatMap((frames) => agesOf(handedOver, frames).map(({ latencyMs }) => latencyMs))),
    });
    return { usage, fast: watched(result.fast), native: watched(result.native) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all[Symbol.asyncDispose]();
  }

  /** Runs a measurement while the film is sent. */
  async #film<T extends object>(watch: () => Promise<T>): Promise<T & { readonly handedOver: readonly HandedOver[] }> {
    await this.#source.ask('film', 'camera', this.#sourcePort);
    try {
      const result = await watch();
      return { ...result, handedOver: await this.#source.ask('stop') };
    } finally {
      await this.#source.ask('stop');
    }
  }

  #settle(ms: number): Promise<void> {
    return delay(settleMs(ms, this.#effort));
  }

  async #measure(seconds: number): Promise<Usage & EncoderUsage> {
    await Promise.all([this.#gateway.ask('start'), this.#viewers.ask('start'), this.#thinViewers.ask('start')]);
    await delay(seconds * 1000);
    return this.#gateway.ask('stop');
  }
}

/** Frames that a native client has received since `go`. */
async function nativeFrames(client: NativePeer): Promise<readonly Shown[]> {
  const known = client.events('shown').length;
  await client.ask('rest');
  const event = client.events<{ shown: readonly Shown[] }>('shown')[known];
  if (event === undefined) throw new Error('a native client did not report its frames');
  return event.shown;
}

function costLine(step: VideoStep, cpuMs: readonly number[]): Line {
  const size = `${evenPart(FILM.width, step.divisor)}x${evenPart(FILM.height, step.divisor)}`;
  return {
    what: `encoder, H.264 ${size} at ${step.bitsPerSecond / 1e6} Mbit/s`,
    unit: 'CPU ms per frame',
    digits: 1,
    series: [{ name: 'Gearway', values: cpuMs }],
  };
}

function crowdLines(count: number, crowded: readonly Crowded[]): Line[] {
  const series = (of: (one: Crowded) => number): Line['series'] => [{ name: 'Gearway', values: crowded.map(of) }];
  const what = `${count} thin viewers`;
  return [
    {
      what: `${what}, of one step`,
      unit: 'encoders',
      series: series(({ usage }) => usage.perStep),
      targets: [{ is: 'value', atMost: 1 }],
    },
    { what: `${what}, in total`, unit: 'encoders', series: series(({ usage }) => usage.atOnce) },
    {
      what: `${what}, event-loop delay, 99 % within`,
      unit: 'ms',
      digits: 1,
      series: series(({ usage }) => usage.loopDelayMs),
      targets: [{ is: 'value', atMost: MOST_LOOP_DELAY_MS }],
    },
    {
      what: `${what}, each`,
      unit: 'fps',
      digits: 1,
      series: series(({ thin, seconds }) => thin.reduce((sum, { frames }) => sum + frames.length, 0) / seconds / count),
    },
    {
      what: `${what}, the gateway's process`,
      unit: 'CPU ms per s',
      series: series(({ usage, seconds }) => usage.cpuUs / 1000 / seconds),
    },
    { what: `${what}, encoders`, unit: 'CPU ms per s', series: series(({ usage, seconds }) => usage.cpuMs / seconds) },
  ];
}

function crowdNotes(count: number, crowded: readonly Crowded[]): string[] {
  const totals: Record<string, number> = {};
  for (const { thin } of crowded) {
    for (const { renditions } of thin)
      for (const [name, frames] of Object.entries(renditions)) totals[name] = (totals[name] ?? 0) + frames;
  }
  const frames = Object.values(totals).reduce((sum, count) => sum + count, 0);
  const shares = Object.entries(totals).map(([name, count]) => `${name} ${Math.round((count / frames) * 100)} %`);
  return [`${count} thin viewers got these renditions: ${shares.join(', ')}.`];
}

function mixedLines({ with: beside, without }: Readonly<Record<'with' | 'without', readonly Mixed[]>>): Line[] {
  const name = 'without thin viewers';
  return (['fast', 'native'] as const).flatMap((kind) => {
    const what =
      kind === 'fast'
        ? `${MIXED_FAST} fast viewers beside ${MIXED_THIN} thin ones`
        : `${NATIVE} native clients beside ${MIXED_THIN} thin viewers`;
    const series = (of: (watched: Watched) => number): Line['series'] => [
      { name: 'Gearway', values: beside.map((one) => of(one[kind])) },
      { name, values: without.map((one) => of(one[kind])) },
    ];
    return [
      {
        what: `${what}, each`,
        unit: 'fps',
        digits: 1,
        series: series(({ framesPerSecond }) => framesPerSecond),
        targets: [{ is: 'ratio', to: name, atLeast: 1 - TOLERANCE }],
      },
      {
        what: `${what}, latency, median`,
        unit: 'ms',
        digits: 1,
        series: series(({ latencyMs }) => latencyMs),
        targets: [{ is: 'ratio', to: name, atMost: 1 + TOLERANCE }],
      },
    ] satisfies Line[];
  });
}

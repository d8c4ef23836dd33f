import { setTimeout as delay } from 'node:timers/promises';
import { Disposables } from '../helpers/disposables.ts';
import { freePorts } from '../helpers/free-port.ts';
import { NatsServer } from '../helpers/nats.ts';
import type { ClusterGateway } from './cluster-gateway.ts';
import { MachineMeter } from './machine.ts';
import { BenchProcess } from './processes.ts';
import { cpuMs } from './shares.ts';
import type { Viewers } from './viewers.ts';

/** Frames per second of the source. */
export const STAGE_FPS = 30;

/** Usage of all processes in a measuring window. */
interface StageUsage {
  /** Processor time of each gateway, that of the source first. */
  readonly gateways: readonly Awaited<ReturnType<ClusterGateway['stop']>>[];
  readonly viewers: Awaited<ReturnType<Viewers['stop']>>;
  /** Processor time of the NATS server. */
  readonly natsMs: number;
  /** Share of the machine that other processes used. */
  readonly strangers: number;
  /** Number of messages to and from the NATS server. */
  readonly messagesIn: number;
  readonly messagesOut: number;
}

/** Four gateways that form a cluster over a NATS server, and a process with viewers. The first has the source. */
export class ClusterStage implements AsyncDisposable {
  readonly gateways: readonly BenchProcess<ClusterGateway>[];
  readonly source: BenchProcess<ClusterGateway>;
  readonly crowd: BenchProcess<Viewers>;
  /** Ports of the gateways for viewers. */
  readonly ports: readonly number[];
  readonly #nats: NatsServer;
  readonly #monitor: number;
  readonly #all: Disposables;

  private constructor(
    all: Disposables,
    parts: {
      readonly nats: NatsServer;
      readonly monitor: number;
      readonly gateways: readonly [BenchProcess<ClusterGateway>, ...BenchProcess<ClusterGateway>[]];
      readonly crowd: BenchProcess<Viewers>;
      readonly ports: readonly number[];
    },
  ) {
    this.#all = all;
    this.#nats = parts.nats;
    this.#monitor = parts.monitor;
    this.gateways = parts.gateways;
    [this.source] = parts.gateways;
    this.crowd = parts.crowd;
    this.ports = parts.ports;
  }

  /** Starts all processes. The source sends JPEGs of 100 KB. */
  static async start(): Promise<ClusterStage> {
    const all = new Disposables();
    try {
      const [monitor = 0] = await freePorts(1);
      const nats = all.use(await NatsServer.start('-m', String(monitor)));
      const create = (): BenchProcess<ClusterGateway> =>
        all.use(new BenchProcess<ClusterGateway>('./cluster-gateway.ts'));
      const source = create();
      const others = [create(), create(), create()];
      const crowd = all.use(new BenchProcess<Viewers>('./viewers.ts'));
      const ports = [await source.ask('listen', nats.url, 'A', true)];
      await source.ask('push', STAGE_FPS, false);
      for (const [index, other] of others.entries())
        ports.push(await other.ask('listen', nats.url, 'BCD'.charAt(index), false));
      return new ClusterStage(all, { nats, monitor, gateways: [source, ...others], crowd, ports });
    } catch (error) {
      await all[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param batch maximum number of viewers that connect at the same time. */
  async connect(shares: readonly number[], batch = Infinity): Promise<void> {
    for (const [index, share] of shares.entries())
      for (let left = share; left > 0; left -= batch)
        await this.crowd.ask('connect', this.ports[index] ?? 0, Math.min(batch, left), { spectates: true });
  }

  async measure(seconds: number): Promise<StageUsage> {
    const machine = new MachineMeter();
    const own = process.cpuUsage();
    const messages = await this.#messages();
    const natsBeforeMs = cpuMs(this.#nats.pid);
    await Promise.all([this.crowd.ask('start'), ...this.gateways.map((gateway) => gateway.ask('start'))]);
    await delay(seconds * 1000);
    const gateways = await Promise.all(this.gateways.map((gateway) => gateway.ask('stop')));
    const viewers = await this.crowd.ask('stop');
    const natsMs = cpuMs(this.#nats.pid) - natsBeforeMs;
    const after = await this.#messages();
    const { user, system } = process.cpuUsage(own);
    const gatewaysMs = gateways.reduce((sum, { cpuUs }) => sum + cpuUs / 1000, 0);
    return {
      gateways,
      viewers,
      natsMs,
      strangers: machine.stop(gatewaysMs + natsMs + (viewers.cpuUs + user + system) / 1000),
      messagesIn: after.in - messages.in,
      messagesOut: after.out - messages.out,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all[Symbol.asyncDispose]();
  }

  async #messages(): Promise<{ readonly in: number; readonly out: number }> {
    const response = await fetch(`http://127.0.0.1:${this.#monitor}/varz`);
    const { in_msgs, out_msgs } = (await response.json()) as { readonly in_msgs: number; readonly out_msgs: number };
    return { in: in_msgs, out: out_msgs };
  }
}

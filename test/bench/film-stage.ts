import type { Browser } from 'puppeteer-core';
import { launchBrowser } from '../helpers/browsers.ts';
import { Disposables } from '../helpers/disposables.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import type { Link } from '../helpers/shaped-relay.ts';
import type { FilmName } from './film.ts';
import type { Arrival, FilmSource } from './film-source.ts';
import type { Go2rtc, Go2rtcMode } from './go2rtc.ts';
import type { LinkRelay } from './link-relay.ts';
import { BenchProcess, endWithBench } from './processes.ts';
import type { HandedOver } from './shown-delays.ts';
import { type FilmPage, openFilmPage } from './shown-film.ts';

/** Flags for WebRTC over loopback, without the STUN server that go2rtc's page would contact. */
const BROWSER_FLAGS = [
  '--allow-loopback-in-peer-connection',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Result of a function that watched a page, and the frames that were sent meanwhile. */
export interface Showing<T> {
  readonly result: T;
  readonly handedOver: readonly HandedOver[];
}

/**
 * A source with a film, a gateway, links to the gateway, and a browser behind the links, each in a separate process.
 */
export class FilmStage implements AsyncDisposable {
  readonly relay: BenchProcess<LinkRelay>;
  readonly #source: BenchProcess<FilmSource>;
  readonly #sourcePort: number;
  readonly #gatewayPort: number;
  readonly #browser: Browser;
  readonly #all: Disposables;

  private constructor(
    all: Disposables,
    source: BenchProcess<FilmSource>,
    relay: BenchProcess<LinkRelay>,
    browser: Browser,
    ports: { source: number; gateway: number },
  ) {
    this.#all = all;
    this.#source = source;
    this.relay = relay;
    this.#browser = browser;
    this.#sourcePort = ports.source;
    this.#gatewayPort = ports.gateway;
  }

  static async open(): Promise<FilmStage> {
    const all = new Disposables();
    try {
      const [sourcePort = 0] = await freePorts(1);
      const gateway = all.use(
        endWithBench(await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1`)),
      );
      const source = all.use(new BenchProcess<FilmSource>('./film-source.ts'));
      const relay = all.use(new BenchProcess<LinkRelay>('./link-relay.ts'));
      const browser = all.use(await launchBrowser('chromium', { flags: BROWSER_FLAGS }));
      return new FilmStage(all, source, relay, browser, {
        source: sourcePort,
        gateway: Number(new URL(await gateway.url).port),
      });
    } catch (error) {
      await all[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Encodes a film. @returns the mean size of its JPEGs, in bytes. */
  make(film: FilmName, frames: number): Promise<number> {
    return this.#source.ask('make', film, frames);
  }

  /** @returns a JPEG of a film. */
  async picture(film: FilmName, number: number): Promise<Buffer> {
    return Buffer.from(await this.#source.ask('picture', film, number), 'base64');
  }

  /** @returns the probes that the source's server has received since the film began. */
  arrivals(): Promise<Arrival[]> {
    return this.#source.ask('arrivals');
  }

  /** @returns the port of the near end of a link to the gateway. */
  link(link: Link): Promise<number> {
    return this.relay.ask('open', this.#gatewayPort, link);
  }

  /** Sends the film while `watch` runs with the viewer page behind a link. @returns its result, and all sent frames. */
  show<T>(film: FilmName, linkPort: number, watch: (page: FilmPage) => Promise<T>): Promise<Showing<T>> {
    const send = (): Promise<void> => this.#source.ask('film', film, this.#sourcePort);
    return this.#show(send, `http://127.0.0.1:${linkPort}/viewer?bare`, watch);
  }

  /** Sends the film to go2rtc as H.264 of a bit rate while `watch` runs with go2rtc's page behind a link. */
  showBy<T>(
    go2rtc: Go2rtc,
    film: FilmName,
    bitsPerSecond: number,
    linkPort: number,
    mode: Go2rtcMode,
    watch: (page: FilmPage) => Promise<T>,
  ): Promise<Showing<T>> {
    const send = async (): Promise<void> => {
      await this.#source.ask('publish', film, go2rtc.rtspUrl, bitsPerSecond);
      await go2rtc.published();
    };
    return this.#show(send, `http://127.0.0.1:${linkPort}/stream.html?src=main&mode=${mode}`, watch);
  }

  async #show<T>(send: () => Promise<void>, url: string, watch: (page: FilmPage) => Promise<T>): Promise<Showing<T>> {
    try {
      await send();
      await using page = await openFilmPage(this.#browser, url);
      return { result: await watch(page), handedOver: await this.#source.ask('stop') };
    } finally {
      await this.#source.ask('stop');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all[Symbol.asyncDispose]();
  }
}

import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../helpers/child.ts';
import { endWithBench } from './processes.ts';

/** How go2rtc's page gets the video. */
export type Go2rtcMode = 'mse' | 'webrtc';

interface Go2rtcOptions {
  /** Free ports: of HTTP; of RTSP, on which the stream can be published; of WebRTC over UDP. */
  readonly ports: { readonly api: number; readonly rtsp?: number; readonly webrtc?: number };
  /** An MJPEG stream over HTTP; null if the stream will be published. */
  readonly source: string | null;
  /** Further addresses that browsers get for WebRTC. */
  readonly candidates?: readonly string[];
}

const PUBLISHED_TIMEOUT_MS = 10_000;

/** A real go2rtc, if it is on the PATH, with the stream `main`. */
export class Go2rtc implements AsyncDisposable {
  readonly #ports: Go2rtcOptions['ports'];
  readonly #server: Child;

  /** @returns null if it is not on the PATH. */
  static version(): string | null {
    const { stdout } = spawnSync('go2rtc', ['-version'], { encoding: 'utf8' });
    return /version (\S+)/.exec(stdout ?? '')?.[1] ?? null;
  }

  static isThere(): boolean {
    return Go2rtc.version() !== null;
  }

  constructor({ ports, source, candidates = [] }: Go2rtcOptions) {
    this.#ports = ports;
    const address = (port: number | undefined): string => (port === undefined ? '' : `127.0.0.1:${port}`);
    const config = {
      api: { listen: address(ports.api) },
      rtsp: { listen: address(ports.rtsp) },
      webrtc: {
        listen: ports.webrtc === undefined ? '' : `${address(ports.webrtc)}/udp`,
        candidates,
        ice_servers: [],
        filters: { loopback: true, networks: ['udp4'] },
      },
      srtp: { listen: '' },
      streams: { main: source },
    };
    this.#server = endWithBench(new Child('go2rtc', ['-config', JSON.stringify(config)]));
  }

  /** Where the stream can be published. */
  get rtspUrl(): string {
    return `rtsp://127.0.0.1:${this.#ports.rtsp}/main`;
  }

  /** @returns its address, once it answers. */
  async ready(): Promise<string> {
    await this.#server.stdout.waitFor("go2rtc's API", (line) => (line.includes('[api] listen') ? true : undefined));
    return `http://127.0.0.1:${this.#ports.api}`;
  }

  /** Settles when the stream is being published. */
  async published(): Promise<void> {
    const url = `${await this.ready()}/api/streams?src=main`;
    for (const deadline = performance.now() + PUBLISHED_TIMEOUT_MS; ; await delay(50)) {
      const { producers } = (await (await fetch(url)).json()) as { producers: readonly unknown[] | null };
      if (producers !== null && producers.length > 0) return;
      if (performance.now() > deadline)
        throw new Error(`nothing was published to go2rtc within ${PUBLISHED_TIMEOUT_MS / 1000} s`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

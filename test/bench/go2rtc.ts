import { spawnSync } from 'node:child_process';
import { Child } from '../helpers/child.ts';
import { endWithBench } from './processes.ts';

/** A real go2rtc, if it is on the PATH. */
export class Go2rtc implements AsyncDisposable {
  readonly #port: number;
  readonly #server: Child;

  static isThere(): boolean {
    return spawnSync('go2rtc', ['-version'], { stdio: 'ignore' }).status === 0;
  }

  /**
   * @param port a free port.
   * @param source an MJPEG stream over HTTP.
   */
  constructor(port: number, source: string) {
    this.#port = port;
    const config = {
      api: { listen: `127.0.0.1:${port}` },
      rtsp: { listen: '' },
      webrtc: { listen: '' },
      srtp: { listen: '' },
      streams: { main: source },
    };
    this.#server = endWithBench(new Child('go2rtc', ['-config', JSON.stringify(config)]));
  }

  /** @returns its address, once it answers. */
  async ready(): Promise<string> {
    await this.#server.stdout.waitFor("go2rtc's API", (line) => (line.includes('[api] listen') ? true : undefined));
    return `http://127.0.0.1:${this.#port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

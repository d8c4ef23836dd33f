import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StreamStatus } from '../../shared/status.ts';
import { Child } from './child.ts';

/** Folder for the key files of gateways in tests. */
const KEY_FOLDER = join(tmpdir(), 'gearway-tests');

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Default source of a gateway in tests: a small test pattern, which needs little processor time. */
export const SMALL_PATTERN = 'test-pattern:?size=320x180&fps=15';

/** The first matching status of a gateway's stream, requested ten times per second. */
export async function waitForStatus(
  gateway: { status(): Promise<StreamStatus> },
  what: string,
  fits: (status: StreamStatus) => boolean,
  timeoutMs = 20_000,
): Promise<StreamStatus> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const status = await gateway.status();
    if (fits(status)) return status;
    if (performance.now() > deadline)
      throw new Error(`${what} did not occur; the status is ${JSON.stringify(status, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A gateway as its users start it, on any free port. */
export class GatewayProcess extends Child {
  readonly #url: Promise<string>;
  readonly #key: Promise<string>;

  /**
   * @param args of the command. Without `--source` and `--config`, the source is {@link SMALL_PATTERN}.
   */
  constructor(...args: string[]) {
    const source = args.some((arg) => arg.startsWith('--source') || arg === '--config')
      ? []
      : ['--source', SMALL_PATTERN];
    super(process.execPath, ['dist/gateway/main.js', '--port', '0', ...source, ...args], {
      cwd: ROOT,
      env: { ...process.env, XDG_RUNTIME_DIR: KEY_FOLDER },
    });
    this.#url = this.stdout.waitFor(
      'the ready line',
      (line) => /^Gearway is serving on (https?:\S+)\/$/.exec(line)?.[1],
    );
    // A gateway that does not become ready is reported by the request for its address.
    this.#url.catch(() => undefined);
    this.#key = this.stdout.waitFor(
      'the administrator key',
      (line) => /^Administer it at https?:\S+\/#key=(\S+)$/.exec(line)?.[1],
    );
    this.#key.catch(() => undefined);
  }

  static async start(...args: string[]): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(...args);
    await gateway.#url;
    return gateway;
  }

  /** Address of the gateway, without the trailing slash. */
  get url(): Promise<string> {
    return this.#url;
  }

  /** The administrator key, which gateways without `--token` have. */
  get key(): Promise<string> {
    return this.#key;
  }

  /** The console's address with the administrator key in it. */
  async administratorUrl(): Promise<string> {
    return `${await this.#url}/#key=${await this.#key}`;
  }

  /** Ends the gateway like a service manager. It must exit within 2 s with status 0, regardless of its peers. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    const fromMs = performance.now();
    this.signal('SIGTERM');
    const killer = setTimeout(() => this.signal('SIGKILL'), 2500);
    const code = await this.exited;
    clearTimeout(killer);
    const took = `${Math.round(performance.now() - fromMs)} ms after SIGTERM`;
    if (code !== 0)
      throw new Error(
        `the gateway ended with ${code ?? this.process.signalCode}, ${took}:\n${this.stderr.all.slice(-12).join('\n')}`,
      );
  }

  async status(): Promise<StreamStatus> {
    const response = await fetch(`${await this.#url}/api/streams/main`);
    return (await response.json()) as StreamStatus;
  }

  /** As {@link waitForStatus}. */
  statusWhere(what: string, fits: (status: StreamStatus) => boolean, timeoutMs?: number): Promise<StreamStatus> {
    return waitForStatus(this, what, fits, timeoutMs);
  }
}

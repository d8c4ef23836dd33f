import { errorText } from '../../shared/errors.ts';
import type { GatewayOptions, Reconfiguration } from './gateway-options.ts';
import { FileWatch } from './watch-file.ts';

interface ReloadOptions {
  readonly file: string;
  readonly gateway: {
    reconfigure(load: () => Promise<GatewayOptions>): Promise<Reconfiguration>;
    report(reason: string): void;
  };
  /** Reads the file. @throws {GearwayError} with the place of the fault. */
  readonly load: () => Promise<GatewayOptions>;
  /** Called after each attempt. @param problem null if the file was applied. */
  readonly onResult?: (problem: string | null) => void;
  readonly log: (message: string) => void;
}

/** Applies a configuration file again whenever it changes. A file with a fault changes nothing, and is reported. */
export class Reload {
  readonly #options: ReloadOptions;
  readonly #watch: FileWatch;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#watch = new FileWatch(options.file, () => this.now());
  }

  /** Starts watching the file. */
  async start(): Promise<void> {
    await this.#watch.start((error) => this.#report(`${this.#options.file} is no longer watched: ${errorText(error)}`));
  }

  /** Reads and applies the file now, after a reload that is running. */
  now(): void {
    this.#running = this.#running
      .then(async () => this.#apply())
      .catch((error: unknown) => {
        this.#report(`${errorText(error)}; nothing was changed`);
        this.#options.onResult?.(errorText(error));
      });
  }

  /** Idempotent. */
  close(): void {
    this.#watch.close();
  }

  async #apply(): Promise<void> {
    const { file, gateway, load } = this.#options;
    this.#report(`${file}: ${describeChange(await gateway.reconfigure(load))}`);
    this.#options.onResult?.(null);
  }

  #report(text: string): void {
    this.#options.log(`configuration: ${text}`);
    this.#options.gateway.report(text);
  }
}

function describeChange({ added, removed, changed, rights, needsRestart, problems }: Reconfiguration): string {
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(', ')}`] : []),
    ...(changed.length > 0 ? [`changed ${changed.join(', ')}`] : []),
    ...(rights.length > 0 ? [`changed the rights of ${rights.join(', ')}`] : []),
    ...(needsRestart.length > 0 ? [`restart the gateway to apply ${needsRestart.join(', ')}`] : []),
    ...problems,
  ];
  return parts.length === 0 ? 'nothing has changed' : parts.join('; ');
}

import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { GatewayOptions, Reconfiguration } from './gateway-options.ts';
import { FileWatch } from './watch-file.ts';

interface ReloadOptions {
  /** The configuration file; null if only other files, such as a certificate, are watched. */
  readonly file: string | null;
  /** Other files from which options were read at the start, such as those of TLS. */
  readonly files?: readonly string[];
  readonly gateway: {
    reconfigure(load: () => Promise<GatewayOptions>): Promise<Reconfiguration>;
    report(reason: string): void;
  };
  /** Reads all files. @throws {GearwayError} with the position of the fault. */
  readonly load: () => Promise<{ readonly options: GatewayOptions; readonly files: readonly string[] }>;
  /** Called when the file was applied. */
  readonly onApplied?: (options: GatewayOptions) => void;
  /** Called after each attempt. @param problem null if the file was applied. */
  readonly onResult?: (problem: string | null) => void;
  readonly log: Logger;
}

/**
 * Applies a configuration file again whenever it, or a file that it names, such as a certificate, changes. An invalid
 * file is reported and changes nothing.
 */
export class Reload {
  readonly #options: ReloadOptions;
  readonly #watches = new Map<string, FileWatch>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReloadOptions) {
    this.#options = options;
  }

  /** Starts watching the files. */
  async start(): Promise<void> {
    await this.#watch(this.#options.files ?? []);
  }

  /** Reads and applies the file immediately, or after the current reload if one is running. */
  now(): void {
    this.#running = this.#running
      .then(async () => this.#apply())
      .catch((error: unknown) => {
        this.#report(`${errorText(error)}; nothing was changed`, true);
        this.#options.onResult?.(errorText(error));
      });
  }

  /** Idempotent. */
  close(): void {
    for (const watch of this.#watches.values()) watch.close();
  }

  /** Watches the configuration file and the given files. */
  async #watch(others: readonly string[]): Promise<void> {
    const { file } = this.#options;
    const files = new Set([...(file === null ? [] : [file]), ...others]);
    for (const [path, watch] of this.#watches) {
      if (files.has(path)) continue;
      watch.close();
      this.#watches.delete(path);
    }
    for (const path of files) {
      if (this.#watches.has(path)) continue;
      const watch = new FileWatch(path, () => this.now());
      this.#watches.set(path, watch);
      await watch.start((error) => this.#report(`${path} is no longer watched: ${errorText(error)}`, true));
    }
  }

  async #apply(): Promise<void> {
    const { file, gateway, load } = this.#options;
    let loaded: { readonly options: GatewayOptions; readonly files: readonly string[] } = { options: {}, files: [] };
    const change = await gateway.reconfigure(async () => {
      loaded = await load();
      return loaded.options;
    });
    this.#options.onApplied?.(loaded.options);
    await this.#watch(loaded.files);
    this.#report(`${file === null ? '' : `${file}: `}${describeChange(change)}`);
    this.#options.onResult?.(null);
  }

  #report(text: string, isFault = false): void {
    this.#options.log[isFault ? 'warn' : 'info']({ component: 'configuration' }, text);
    this.#options.gateway.report(text);
  }
}

function describeChange(change: Reconfiguration): string {
  const { added, removed, changed, rights, webhooks, needsRestart, problems } = change;
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(', ')}`] : []),
    ...(changed.length > 0 ? [`changed ${changed.join(', ')}`] : []),
    ...(rights.length > 0 ? [`changed the rights of ${rights.join(', ')}`] : []),
    ...(webhooks.length > 0 ? [`changed the webhooks ${webhooks.join(', ')}`] : []),
    ...(needsRestart.length > 0 ? [`restart the gateway to apply ${needsRestart.join(', ')}`] : []),
    ...problems,
  ];
  return parts.length === 0 ? 'nothing has changed' : parts.join('; ');
}

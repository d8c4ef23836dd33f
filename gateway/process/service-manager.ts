import { spawn } from 'node:child_process';
import type { Logger } from '../../shared/logger.ts';

/** Environment variables in which systemd specifies how a service reports (sd_notify(3)). */
export const SERVICE_VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

type ServiceVariables = Readonly<Record<string, string | undefined>>;

/** How long a report may take before its process is killed. */
const REPORT_TIMEOUT_MS = 5000;

/**
 * Reports to systemd that the service is ready, alive and stopping. Does nothing unless systemd started it with
 * `Type=notify`.
 *
 * Node.js does not support Unix datagram sockets, so each report is made by `systemd-notify`, which is part of systemd;
 * the unit needs `NotifyAccess=all`. Only the first report that fails is logged.
 */
export class ServiceManager {
  readonly #variables: ServiceVariables;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #log: Logger;
  #watchdog: NodeJS.Timeout | null = null;
  #hasFailed = false;

  /** @param path search path for programs. */
  constructor(variables: ServiceVariables, path: string, log: Logger) {
    this.#variables = variables;
    this.#environment = { PATH: path, NOTIFY_SOCKET: variables['NOTIFY_SOCKET'] ?? '' };
    this.#log = log;
  }

  /**
   * Reports that the service is ready, and from then on, at half the watchdog interval, that its event loop is
   * running.
   *
   * @param pid ID of this process.
   */
  ready(pid: number): void {
    this.#notify('--ready', `--pid=${pid}`);
    const { WATCHDOG_USEC: interval = '', WATCHDOG_PID: watched = String(pid) } = this.#variables;
    const intervalMs = Number(interval) / 1000;
    // With another process ID, the variables are those of a parent process, which systemd watches instead.
    if (!(intervalMs > 0) || watched !== String(pid)) return;
    this.#watchdog = setInterval(() => this.#notify('WATCHDOG=1'), intervalMs / 2);
    this.#watchdog.unref();
  }

  /** Reports that the service is stopping, without delaying the stop. */
  stopping(): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#notify('--no-block', 'STOPPING=1');
  }

  #notify(...args: readonly string[]): void {
    if (this.#variables['NOTIFY_SOCKET'] === undefined) return;
    const child = spawn('systemd-notify', args, {
      env: this.#environment,
      stdio: 'ignore',
      timeout: REPORT_TIMEOUT_MS,
    });
    child.once('error', (error) => this.#failed(error.message));
    child.once('exit', (code, signal) => {
      if (code !== 0) this.#failed(`systemd-notify ended with ${code ?? signal ?? 'no code'}`);
    });
    child.unref();
  }

  #failed(reason: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log.warn({}, `systemd could not be notified, and may restart the gateway: ${reason}`);
  }
}

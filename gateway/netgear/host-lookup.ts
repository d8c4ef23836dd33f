import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { runInBackground } from '../../shared/background.ts';
import { systemErrorCode, systemErrorText } from '../../shared/system-errors.ts';
import { socketAddress } from './zmtp-peer.ts';

/** Interval between look-ups of the same name. */
const INTERVAL_MS = 10_000;

/**
 * Whether a look-up runs. One at a time in the whole process: each occupies a thread of the pool that also encodes
 * pictures, for many seconds if the DNS does not answer.
 */
let isBusy = false;

/** Finds out whether the host of an endpoint exists: ZeroMQ does not report it. */
export class HostLookup {
  /** Name to look up; null for an IP address or a path. */
  readonly #name: string | null;
  #lookedUpAtMs = -Infinity;
  #problem: string | null = null;

  constructor(endpoint: string) {
    const address = socketAddress(endpoint);
    this.#name = 'path' in address || isIP(address.host) !== 0 ? null : address.host;
  }

  /** Why the host cannot be found, as a sentence; null if it was found or is not known yet. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Looks the name up again in the background, if the last look-up is too old. */
  refresh(nowMs: number): void {
    const name = this.#name;
    if (name === null || isBusy || nowMs - this.#lookedUpAtMs < INTERVAL_MS) return;
    isBusy = true;
    this.#lookedUpAtMs = nowMs;
    const settle = (problem: string | null): void => {
      isBusy = false;
      this.#problem = problem;
    };
    const failed = (error: unknown): void => settle(systemErrorCode(error) === null ? null : systemErrorText(error));
    runInBackground(
      lookup(name).then(() => settle(null)),
      failed,
    );
  }
}

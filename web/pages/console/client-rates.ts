import type { ClientStatus } from '../../../shared/status.ts';
import { History } from '../../connection/statistics.ts';

/** Number of readings kept per client: one minute, at one per second. */
const HISTORY = 60;

/** The frame rates of each client over the last minute. */
export class ClientRates {
  #histories = new Map<string, History<number>>();

  add(clients: readonly ClientStatus[]): void {
    const histories = clients.map(({ id }) => [id, this.#histories.get(id) ?? new History<number>(HISTORY)] as const);
    // The histories of clients that have left are discarded.
    this.#histories = new Map(histories);
    for (const { id, framesPerSecond } of clients) this.#histories.get(id)?.add(framesPerSecond);
  }

  of(id: string): readonly number[] {
    return this.#histories.get(id)?.values ?? [];
  }
}

import { CLUSTER_PROTOCOL, Membership } from '../../../gateway/cluster/membership.ts';
import { Ownership } from '../../../gateway/cluster/ownership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { logTo } from '../../helpers/log.ts';
import { ModelServers, ModelStore } from './model-store.ts';

/** One gateway without streams, and a store into which other programs can write. */
export class OneGateway {
  readonly #servers = new ModelServers();
  readonly #store = new ModelStore(this.#servers);
  readonly replica = new Replica(this.#store);
  readonly logged: string[] = [];
  readonly membership = new Membership({
    store: this.#store,
    replica: this.replica,
    name: 'A',
    describe: () => ({ url: null, streams: [] }),
    log: logTo(this.logged),
  });
  readonly ownership = new Ownership({
    replica: this.replica,
    membership: this.membership,
    streams: new Map(),
    log: SILENT_LOGGER,
  });

  /** Writes a value as another program, and delivers it. */
  put(key: string, value: unknown): void {
    this.#servers.put(key, JSON.stringify(value));
    this.#store.deliver(this.replica);
  }

  async beat(): Promise<void> {
    await this.membership.beat();
    this.#store.deliver(this.replica);
  }
}

/** The value of another gateway in the store. */
export function member(id: string, changes: object = {}): object {
  return {
    id,
    name: 'B',
    url: null,
    protocol: CLUSTER_PROTOCOL,
    hasLeft: false,
    number: 1,
    streams: [],
    ...changes,
  };
}

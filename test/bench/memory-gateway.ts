/** The whole gateway with a NetGear source, in a process that collects its garbage on request (`--expose-gc`). */
import { setTimeout as delay } from 'node:timers/promises';
import { createGateway } from '../../gateway/create-gateway.ts';
import { answerParent } from './processes.ts';

/** Finalizers, which free the memory found by the first collection, run between two collections. */
const COLLECTIONS = 4;
const BETWEEN_COLLECTIONS_MS = 50;

export interface Memory {
  /** Resident memory of the whole process. */
  readonly residentBytes: number;
  /** The heap, and the memory that it references: frames, sockets' buffers. */
  readonly usedBytes: number;
}

const handlers = {
  async listen(sourcePort: number): Promise<number> {
    // Enough ports for viewers that connect and leave: a port stays reserved for a while after its viewer has left.
    const gateway = await createGateway({
      port: 0,
      source: `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1`,
      virtualPorts: '10000-14095',
    });
    const { port } = await gateway.listen();
    return port;
  },
  /** @param collected whether to collect garbage first. */
  async memory(collected: boolean): Promise<Memory> {
    for (let i = 0; collected && i < COLLECTIONS; i += 1) {
      if (globalThis.gc === undefined) throw new Error('this process was started without --expose-gc');
      globalThis.gc();
      await delay(BETWEEN_COLLECTIONS_MS);
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { residentBytes: rss, usedBytes: heapUsed + external };
  },
};

export type MemoryGateway = typeof handlers;

answerParent(handlers);

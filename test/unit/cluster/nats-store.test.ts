import type { KV } from '@nats-io/kv';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { NatsStore } from '../../../gateway/cluster/nats.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('NatsStore', () => {
  it.each([
    ['a read', (store: NatsStore) => store.get('port.main.6000')],
    ['a write', (store: NatsStore) => store.put('port.main.6000', '{}')],
    ['a conditional write', (store: NatsStore) => store.update('port.main.6000', '{}', 1)],
  ])('lets %s fail when the connection is lost, and after a second without an answer', async (_, request) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const kv = { get: never, put: never } as unknown as KV;
    const store = new NatsStore(kv, () => Promise.resolve(kv), SILENT_LOGGER);
    const lost = expect(request(store)).rejects.toThrow('the connection to the NATS server was lost');
    store.disconnected();
    await lost;
    const silent = expect(request(store)).rejects.toThrow('no answer within 1 s');
    await vi.advanceTimersByTimeAsync(1000);
    await silent;
    expect(vi.getTimerCount()).toBe(0);
  });
});

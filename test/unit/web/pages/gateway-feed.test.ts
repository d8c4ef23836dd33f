import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GatewayEvent, GatewayStatus } from '../../../../shared/status.ts';
import type { Api } from '../../../../web/pages/console/api.ts';
import { GatewayFeed } from '../../../../web/pages/console/gateway-feed.ts';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false, addEventListener: () => undefined });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A gateway whose responses take a while. */
class SlowGateway {
  polls = 0;
  descriptions = 0;
  fire: () => void = () => undefined;
  description: GatewayStatus | null = null;
  readonly #latencyMs: number;

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  open(): GatewayFeed {
    const later = async <T>(value: T): Promise<T> => {
      await new Promise((resolve) => setTimeout(resolve, this.#latencyMs));
      return value;
    };
    const answer =
      <T>(value: T) =>
      (): Promise<T> =>
        later(value);
    const streams = answer({ kind: 'ok', value: [] } as const);
    const api: Partial<Api> = {
      token: null,
      streams: () => {
        this.polls += 1;
        return streams();
      },
      rights: answer({ kind: 'gone', reason: null } as const),
      gateway: () => {
        this.descriptions += 1;
        return later(this.description);
      },
      follow: (onEvent) => {
        this.fire = () => onEvent({} as GatewayEvent);
        return new Promise<never>(() => undefined);
      },
    };
    const feed = new GatewayFeed(api as Api, { onChange: () => undefined, onToken: () => undefined });
    feed.start();
    return feed;
  }
}

describe('GatewayFeed', () => {
  it('polls while events arrive continuously, at a limited rate', async () => {
    const gateway = new SlowGateway(1);
    gateway.open();
    for (let count = 0; count < 200; count += 1) {
      gateway.fire();
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(gateway.polls).toBeGreaterThan(10);
    expect(gateway.polls).toBeLessThanOrEqual(1 + 2000 / 50);
  });

  it('polls soon after an event that arrives during a poll', async () => {
    const gateway = new SlowGateway(40);
    gateway.open();
    await vi.advanceTimersByTimeAsync(20);
    gateway.fire();
    await vi.advanceTimersByTimeAsync(60);
    expect(gateway.polls).toBe(2);
  });

  it('polls once per second without events', async () => {
    const gateway = new SlowGateway(0);
    gateway.open();
    await vi.advanceTimersByTimeAsync(5500);
    expect(gateway.polls).toBe(6);
    expect(gateway.descriptions).toBe(1);
  });

  it('requests the connection to the cluster with each poll, and adopts its changes', async () => {
    const gateway = new SlowGateway(0);
    const description = { webhooks: [], configuration: null, publicUrl: null, networkUrls: [] };
    gateway.description = { ...description, cluster: { isConnected: true, unreachableSince: null } };
    const feed = gateway.open();
    await vi.advanceTimersByTimeAsync(1500);
    expect(gateway.descriptions).toBe(2);
    gateway.description = { ...description, cluster: { isConnected: false, unreachableSince: '2026-05-04T12:00:00Z' } };
    await vi.advanceTimersByTimeAsync(1000);
    expect(feed.gateway?.cluster?.isConnected).toBe(false);
    gateway.description = { ...description, cluster: { isConnected: true, unreachableSince: null } };
    await vi.advanceTimersByTimeAsync(1000);
    expect(feed.gateway?.cluster?.isConnected).toBe(true);
  });

  it('requests everything once when it is refreshed', async () => {
    const gateway = new SlowGateway(1);
    const feed = gateway.open();
    await vi.advanceTimersByTimeAsync(500);
    void feed.refresh();
    await vi.advanceTimersByTimeAsync(500);
    expect([gateway.polls, gateway.descriptions]).toEqual([2, 2]);
  });
});

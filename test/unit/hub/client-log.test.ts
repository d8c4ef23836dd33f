import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createClientLog } from '../../../gateway/hub/client-log.ts';
import type { EventKind, GatewayEvent } from '../../../shared/status.ts';
import { logTo } from '../../helpers/log.ts';

const event = (kind: EventKind, changes: Partial<GatewayEvent> = {}): GatewayEvent => ({
  id: 1,
  time: '',
  kind,
  stream: 'main',
  client: 'web-1',
  port: 6000,
  address: 'phone (10.0.0.7)',
  reason: 'assigned port 6000',
  ...changes,
});

describe('createClientLog', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('logs clients that connect and disconnect, and nothing else', () => {
    const lines: string[] = [];
    const add = createClientLog(logTo(lines));
    for (const kind of ['connect', 'disconnect', 'take-over', 'refuse', 'state'] as const) add(event(kind));
    add(event('connect', { client: null, port: null, address: null, reason: 'publishes' }));
    expect(lines).toEqual([
      'stream main: web-1 phone (10.0.0.7), port 6000: connect, assigned port 6000',
      'stream main: web-1 phone (10.0.0.7), port 6000: disconnect, assigned port 6000',
      'stream main: web-1 phone (10.0.0.7), port 6000: take-over, assigned port 6000',
      'stream main: publisher: connect, publishes',
    ]);
  });

  it('logs at most 20 in 10 s, and counts the others', () => {
    const lines: string[] = [];
    const add = createClientLog(logTo(lines));
    for (let index = 0; index < 1000; index += 1) add(event('connect'));
    expect(lines).toHaveLength(20);
    vi.advanceTimersByTime(10_000);
    expect(lines.slice(20)).toEqual(['clients: 980 more connected or disconnected']);
    add(event('connect'));
    expect(lines).toHaveLength(22);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../../gateway/hub/audit-log.ts';
import { Returns } from '../../../gateway/hub/returns/returns.ts';

const value = (json: string): { kind: 'value'; json: string; value: number } => ({
  kind: 'value',
  json,
  value: Number(json),
});
const CHANGE = {
  principal: 'token',
  address: '127.0.0.1',
  request: 'PUT /api/streams/:name',
  query: null,
  stream: 'door',
  client: null,
  status: 200,
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A stream of two clients whose return data is recorded. */
function record(): {
  audit: AuditLog;
  returns: Returns;
  lines: { port: number; values: number; client: string }[];
  /** Clients by port, if they differ from those at the start. */
  clients: Map<number, { id: string; address: string }>;
} {
  const clients = new Map<number, { id: string; address: string }>();
  const lines: { port: number; values: number; client: string }[] = [];
  const audit = new AuditLog((line) => lines.push(JSON.parse(line)));
  const returns = new Returns({ hasServer: false });
  audit.follow({
    name: 'door',
    returns,
    clientAt: (port) => clients.get(port) ?? { id: `web-${port}`, address: 'Phone (127.0.0.1)' },
  });
  returns.join(6000);
  returns.join(6001);
  return { audit, returns, lines, clients };
}

describe('AuditLog', () => {
  it('records the first value of a client, and then their number once per second', () => {
    const { returns, lines } = record();
    returns.set(6000, value('1') as never);
    expect(lines).toMatchObject([
      { kind: 'return', stream: 'door', port: 6000, client: 'web-6000', address: 'Phone (127.0.0.1)', values: 1 },
    ]);
    for (let number = 2; number <= 100; number += 1) {
      returns.set(6000, value(String(number)) as never);
      vi.advanceTimersByTime(20);
    }
    returns.push(6001, value('7') as never);
    vi.advanceTimersByTime(5000);
    expect(lines.map(({ port, values }) => [port, values])).toEqual([
      [6000, 1],
      [6000, 50],
      [6001, 1],
      [6000, 49],
    ]);
    returns.set(6000, value('1') as never);
    expect(lines.at(-1)).toMatchObject({ port: 6000, values: 1 });
  });

  it('reports the values of a client that has left, separately from those of the next client', () => {
    const { returns, lines, clients } = record();
    returns.set(6000, value('1') as never);
    returns.set(6000, value('2') as never);
    returns.leave(6000);
    clients.set(6000, { id: 'web-2', address: 'Tablet (127.0.0.2)' });
    returns.join(6000);
    returns.set(6000, value('3') as never);
    vi.advanceTimersByTime(5000);
    expect(lines).toMatchObject([
      { client: 'web-6000', values: 1 },
      { client: 'web-2', values: 1 },
      { client: 'web-6000', values: 1 },
    ]);
  });

  it('has at most one entry per second for a client that connects again and again, and loses no value', () => {
    const { returns, lines, clients } = record();
    for (let connection = 0; connection < 200; connection += 1) {
      clients.set(6000, { id: `web-${connection}`, address: 'Phone (127.0.0.1)' });
      // Its sticky value is sent again with each connection.
      returns.set(6000, value('1') as never);
      vi.advanceTimersByTime(50);
      returns.leave(6000);
      returns.join(6000);
    }
    vi.advanceTimersByTime(1000);
    expect(lines.length).toBeLessThanOrEqual(12);
    expect(lines.reduce((sum, { values }) => sum + values, 0)).toBe(200);
    expect(lines.at(-1)?.client).toBe('web-199');
  });

  it('keeps the latest 256 entries of each kind', () => {
    const { audit, returns } = record();
    audit.addChange(CHANGE);
    for (let number = 0; number < 300; number += 1) {
      returns.set(6000, value(String(number)) as never);
      vi.advanceTimersByTime(1001);
    }
    expect(audit.entries()).toHaveLength(257);
    expect(audit.entries()[0]).toMatchObject({ kind: 'change', ...CHANGE });
    for (let number = 0; number < 300; number += 1) audit.addChange(CHANGE);
    expect(audit.entries()).toHaveLength(512);
  });

  it('ends its timers, and records the values that are not in an entry yet', () => {
    const { audit, returns, lines } = record();
    returns.set(6000, value('1') as never);
    returns.set(6000, value('2') as never);
    expect(vi.getTimerCount()).toBe(1);
    audit.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(lines.map(({ values }) => values)).toEqual([1, 1]);
  });
});

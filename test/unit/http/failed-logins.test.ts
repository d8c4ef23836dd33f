import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FailedLogins } from '../../../gateway/http/failed-logins.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { logTo } from '../../helpers/log.ts';

const ADDRESS = '203.0.113.7';

/** Number of failures that are left after those in the lines. */
function unreported(lines: readonly string[], inAll: number): number {
  return lines.reduce((left, line) => left - Number(/(\d+) more/.exec(line)?.[1] ?? 1), inAll);
}

describe('FailedLogins', () => {
  let lines: string[];
  let failedLogins: FailedLogins;

  beforeEach(() => {
    vi.useFakeTimers();
    lines = [];
    failedLogins = new FailedLogins({ events: new EventLog(), log: logTo(lines) });
  });

  afterEach(() => {
    failedLogins.close();
    vi.useRealTimers();
  });

  const kinds = (count: number, address = ADDRESS): string[] =>
    Array.from({ length: count }, () => failedLogins.count(address).kind);

  /** Delay of the next refusal, in milliseconds. */
  async function delayOf(address = ADDRESS): Promise<number> {
    const verdict = failedLogins.count(address);
    if (verdict.kind !== 'delayed') throw new Error(verdict.kind);
    const startMs = performance.now();
    let endMs = startMs;
    const ended = verdict.until.then(() => (endMs = performance.now()));
    await vi.advanceTimersByTimeAsync(10_000);
    await ended;
    return endMs - startMs;
  }

  it('delays refusals after ten failures within a minute, longer each time, up to 5 s', async () => {
    expect(kinds(10)).toEqual(Array.from({ length: 10 }, () => 'at-once'));
    const delays: number[] = [];
    for (let i = 0; i < 5; i += 1) delays.push(await delayOf());
    expect(delays).toEqual([250, 500, 1000, 2000, 4000]);
  });

  it('never delays by more than 5 s', async () => {
    for (let i = 0; i < 200; i += 1) failedLogins.count(ADDRESS);
    await vi.advanceTimersByTimeAsync(6000);
    expect(await delayOf()).toBe(5000);
  });

  it('discards failures after a minute', async () => {
    kinds(10);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(failedLogins.count(ADDRESS).kind).toBe('delayed');
    await vi.advanceTimersByTimeAsync(61_000);
    expect(kinds(10)).toEqual(Array.from({ length: 10 }, () => 'at-once'));
  });

  it('counts each address separately, and an IPv6 /64 as one', () => {
    kinds(10);
    expect(failedLogins.count('203.0.113.8').kind).toBe('at-once');
    expect(failedLogins.count(`::ffff:${ADDRESS}`).kind).toBe('delayed');
    for (let i = 1; i <= 10; i += 1) failedLogins.count(`2001:db8:1:2::${i}`);
    expect(failedLogins.count('2001:db8:1:2:ffff::1').kind).toBe('delayed');
    expect(failedLogins.count('2001:db8:1:3::1').kind).toBe('at-once');
  });

  it('delays 8 refusals of an address, refuses the next immediately, and then checks no more tokens from it', async () => {
    kinds(10);
    expect(failedLogins.isBlocked(ADDRESS)).toBe(false);
    expect(kinds(9)).toEqual([...Array.from({ length: 8 }, () => 'delayed'), 'too-many']);
    expect([failedLogins.isBlocked(ADDRESS), failedLogins.isBlocked('203.0.113.8')]).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(failedLogins.isBlocked(ADDRESS)).toBe(false);
  });

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])(
    'always checks tokens from %s, the address of all clients of a local proxy',
    (address) => {
      expect(kinds(100, address).filter((kind) => kind === 'delayed')).toHaveLength(8);
      expect(failedLogins.isBlocked(address)).toBe(false);
    },
  );

  it('delays 256 refusals in total, and then checks no more tokens from any address with too many failures', () => {
    const waiting = Array.from({ length: 100 }, (_, index) => kinds(20, `10.0.0.${index}`)).flat();
    expect(waiting.filter((kind) => kind === 'delayed')).toHaveLength(256);
    kinds(9, '203.0.113.8');
    expect(['10.0.0.0', '10.0.0.99', '203.0.113.8', '203.0.113.9'].map((each) => failedLogins.isBlocked(each))).toEqual(
      [true, true, false, false],
    );
  });

  it('reports once per address and minute, with the count', async () => {
    const reported: string[] = [];
    const events = new EventLog();
    failedLogins = new FailedLogins({ events, log: logTo(lines) });
    void (async () => {
      for await (const { kind, address, reason } of events.events()) reported.push(`${kind} ${address}: ${reason}`);
    })();
    for (let i = 0; i < 4000; i += 1) failedLogins.count(ADDRESS);
    expect(lines).toEqual([`warning: ${ADDRESS}: failed log-in: invalid token or password`]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines.slice(1)).toEqual([
      `warning: ${ADDRESS}: 3999 more failed log-ins within a minute: invalid token or password`,
    ]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(lines).toHaveLength(2);
    expect(reported).toEqual(lines.map((line) => line.replace('warning:', 'refuse')));
    failedLogins.count(ADDRESS);
    expect(lines).toHaveLength(3);
  });

  it('reports 16 addresses with the most failures, and all others in one line', async () => {
    for (let round = 0; round < 20; round += 1) for (let i = round; i < 100; i += 1) failedLogins.count(`10.0.0.${i}`);
    expect(lines).toHaveLength(16);
    expect(lines[15]).toBe('warning: 10.0.0.15: failed log-in: invalid token or password');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(33);
    expect(lines[16]).toBe('warning: 10.0.0.19: 20 more failed log-ins within a minute: invalid token or password');
    expect(lines[32]).toBe(
      `warning: ${unreported(lines.slice(0, 32), 100 * 20 - 190)} more failed log-ins within a minute from 83 other addresses: invalid token or password`,
    );
  });

  it('counts the failures of addresses that it has forgotten', async () => {
    for (let i = 0; i < 5000; i += 1) failedLogins.count(`10.3.${i >> 8}.${i & 255}`);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(33);
    expect(lines.at(-1)).toBe(
      'warning: 4968 more failed log-ins within a minute from 4968 other addresses: invalid token or password',
    );
  });

  it('reports the rest when it is closed', () => {
    kinds(3);
    failedLogins.noteUnchecked(ADDRESS);
    failedLogins.noteUnchecked('203.0.113.8');
    failedLogins.close();
    expect(lines).toEqual([
      `warning: ${ADDRESS}: failed log-in: invalid token or password`,
      `warning: ${ADDRESS}: 3 more failed log-ins within a minute: invalid token or password`,
    ]);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(8);
  });

  it('reports no failure of a token whose check ends after it was closed', () => {
    kinds(1);
    failedLogins.close();
    kinds(1);
    failedLogins.close();
    expect(lines).toEqual([`warning: ${ADDRESS}: failed log-in: invalid token or password`]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('remembers 1024 addresses', () => {
    kinds(11);
    for (let i = 0; i < 1023; i += 1) failedLogins.count(`10.1.${i >> 8}.${i & 255}`);
    expect(failedLogins.count(ADDRESS).kind).toBe('delayed');
    for (let i = 0; i < 1024; i += 1) failedLogins.count(`10.2.${i >> 8}.${i & 255}`);
    expect(failedLogins.count(ADDRESS).kind).toBe('at-once');
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1024 + 8);
  });
});

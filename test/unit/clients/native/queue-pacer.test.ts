import { describe, expect, it } from 'vitest';
import { QueuePacer } from '../../../../gateway/clients/native/queue-pacer.ts';

/**
 * The program of a real NetGear receiver: reads one of 96 queued frames at intervals; frames are answered as soon as
 * they are in the queue.
 */
class Client {
  readonly pacer: QueuePacer;
  /** When each queued frame was sent. */
  readonly queue: number[] = [];
  /** Frames in the socket, not yet answered. */
  readonly waiting: number[] = [];
  readonly ages: { atMs: number; ageMs: number }[] = [];
  sent = 0;
  nowMs = 0;
  #nextTakeMs = 0;
  userRate: number;

  constructor(userRate: number, options: { maxFramesPerSecond?: number; detectsFullQueue?: boolean } = {}) {
    this.userRate = userRate;
    this.pacer = new QueuePacer({ maxFramesPerSecond: Infinity, detectsFullQueue: true, ...options });
  }

  /** Runs in steps of a millisecond; the source has a frame every 33 ms. */
  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 1) {
      const now = this.nowMs;
      if (now % 33 === 0 && this.waiting.length < 2 && this.pacer.isDue(now)) {
        this.waiting.push(now);
        this.pacer.sent(now);
        this.sent += 1;
      }
      const oldest = this.waiting[0];
      if (oldest !== undefined && now > oldest && this.queue.length < 96) {
        this.waiting.shift();
        this.queue.push(oldest);
        this.pacer.replied(now - oldest, this.waiting.length, now);
      }
      if (now >= this.#nextTakeMs) {
        const taken = this.queue.shift();
        if (taken !== undefined) this.ages.push({ atMs: now, ageMs: now - taken });
        this.#nextTakeMs = now + 1000 / this.userRate;
      }
    }
  }

  /** Age of the oldest frame that the program read in the last second. */
  get ageMs(): number {
    return Math.max(...this.ages.filter(({ atMs }) => atMs > this.nowMs - 1000).map(({ ageMs }) => ageMs));
  }
}

describe('QueuePacer', () => {
  it('sends every frame to a program that is fast enough', () => {
    const client = new Client(60);
    client.run(60_000);
    expect(client.sent).toBe(Math.ceil(60_000 / 33));
    expect(client.pacer.reason()).toBeNull();
  });

  it('detects a full queue, waits until it is empty, and then sends less than the program reads', () => {
    const client = new Client(10);
    client.run(6000);
    expect(client.pacer.reason()).toMatch(/^queue full \(reads (?:9\.\d|10) fps\)/);
    // Only frames that keep the client connected are sent; its timeout is 12 s.
    const sent = client.sent;
    client.run(9000);
    expect(client.sent - sent).toBe(3);
    client.run(3000);
    expect(client.pacer.reason()).toMatch(/^reads \S+ fps; limited to (?:8\.\d|9\.0) fps/);
    client.run(5000);
    expect(client.ageMs).toBeLessThan(150);
  });

  it('works for a program that is slightly too slow, and for a very slow one', () => {
    for (const rate of [27, 2]) {
      const client = new Client(rate);
      client.run(140_000);
      expect(client.ageMs, `${rate}`).toBeLessThan(1500);
    }
  });

  it('retries the full rate after a minute, and keeps it if the program has become faster', () => {
    const client = new Client(10);
    client.run(20_000);
    client.userRate = 60;
    client.run(60_000);
    const sent = client.sent;
    client.run(10_000);
    expect(client.pacer.reason()).toBeNull();
    expect(client.sent - sent).toBeGreaterThan(280);
  });

  it('doubles the interval before the next attempt if the program is still slow', () => {
    const client = new Client(10);
    const starts: number[] = [];
    let wasFull = false;
    for (let second = 0; second < 300; second += 1) {
      client.run(1000);
      const isFull = client.pacer.reason()?.startsWith('queue full') ?? false;
      if (isFull && !wasFull) starts.push(second);
      wasFull = isFull;
    }
    // In tens of seconds: the queue fills in 5 s and drains in 10 s, and the pacer waits for 60 s and then for 120 s.
    expect(starts.map((second, index) => Math.round((second - (starts[index - 1] ?? 0)) / 10))).toEqual([1, 8, 14]);
  });

  it('does not mistake one late answer, or a single pause of the program, for a full queue', () => {
    const client = new Client(60);
    client.run(5000);
    client.pacer.replied(900, 0, client.nowMs);
    expect(client.pacer.reason()).toBeNull();
    client.userRate = 0.5;
    client.run(2000);
    client.userRate = 60;
    client.run(10_000);
    expect(client.pacer.reason()).toBeNull();
  });

  it('does not detect a full queue if this is disabled', () => {
    const client = new Client(10, { detectsFullQueue: false });
    client.run(30_000);
    expect(client.pacer.reason()).toBeNull();
    expect(client.ageMs).toBeGreaterThan(3000);
  });

  it('keeps exactly to a limit, and reports it', () => {
    const client = new Client(60, { maxFramesPerSecond: 10 });
    client.run(60_000);
    expect(client.sent).toBeGreaterThan(596);
    expect(client.sent).toBeLessThan(604);
    expect(client.pacer.reason()).toBe('limited to 10 fps');
  });

  it('starts over with a new client', () => {
    const client = new Client(10);
    client.run(20_000);
    client.pacer.reset();
    expect(client.pacer.reason()).toBeNull();
    expect(client.pacer.isDue(client.nowMs)).toBe(true);
  });
});

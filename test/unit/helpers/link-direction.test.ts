import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LinkDirection, type LinkShape, PERFECT_LINK } from '../../helpers/link-direction.ts';

const PACKET = 1460;
/** Transmission time of a packet at 1 Mbit/s. */
const PACKET_MS = (PACKET * 8000) / 1e6;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

interface Delivery {
  readonly atMs: number;
  readonly bytes: number;
}

function open(link: LinkDirection): {
  write: (bytes: number) => void;
  close: () => void;
  deliveries: Delivery[];
  held: boolean[];
} {
  const deliveries: Delivery[] = [];
  const held: boolean[] = [];
  const flow = link.open({
    deliver: (bytes) => deliveries.push({ atMs: performance.now() - startMs, bytes: bytes.length }),
    hold: (isHeld) => held.push(isHeld),
  });
  return { write: (bytes) => flow.write(Buffer.alloc(bytes)), close: flow.close, deliveries, held };
}

let startMs = 0;
function create(shape: Partial<LinkShape>, seed?: number): LinkDirection {
  startMs = performance.now();
  return new LinkDirection({ ...PERFECT_LINK, ...shape }, seed);
}

const bytesOf = (deliveries: readonly Delivery[]): number => deliveries.reduce((sum, { bytes }) => sum + bytes, 0);

describe('LinkDirection', () => {
  it('delivers after the delay', () => {
    const link = create({ delayMs: 60 });
    const flow = open(link);
    flow.write(100_000);
    vi.advanceTimersByTime(59);
    expect(flow.deliveries).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(flow.deliveries.map(({ bytes }) => bytes)).toEqual([100_000]);
  });

  it('transfers data at its bandwidth, even after a pause', () => {
    const link = create({ bitsPerSecond: 1e6 });
    const flow = open(link);
    for (const _ of [1, 2]) {
      flow.write(125_000);
      vi.advanceTimersByTime(500);
      expect(bytesOf(flow.deliveries) % 125_000).toBeGreaterThan(60_000);
      expect(bytesOf(flow.deliveries) % 125_000).toBeLessThan(65_000);
      vi.advanceTimersByTime(10_000);
      expect(bytesOf(flow.deliveries) % 125_000).toBe(0);
    }
    expect(link.carriedBytes).toBe(250_000);
    const [first, second] = flow.deliveries;
    expect(first!.atMs).toBeCloseTo(PACKET_MS, -0.3);
    expect(second!.atMs).toBeCloseTo(2 * PACKET_MS, -0.3);
  });

  it('shares the bandwidth evenly between connections', () => {
    const link = create({ bitsPerSecond: 1e6, queueBytes: 10 * PACKET });
    const [large, small] = [open(link), open(link)];
    large.write(500_000);
    vi.advanceTimersByTime(200);
    small.write(3 * PACKET);
    // The first packet arrives after the queue, and then every other packet.
    vi.advanceTimersByTime((10 + 1 + 2 * 3) * PACKET_MS + 5);
    expect(bytesOf(small.deliveries)).toBe(3 * PACKET);
    expect(bytesOf(large.deliveries)).toBeLessThan(60_000);
  });

  it('pauses the sender while its queue is full', () => {
    const link = create({ bitsPerSecond: 1e6, queueBytes: 4 * PACKET });
    const flow = open(link);
    flow.write(4 * PACKET);
    expect(flow.held).toEqual([]);
    flow.write(3 * PACKET);
    expect(flow.held).toEqual([true]);
    expect(link.queuedBytes).toBe(4 * PACKET);
    vi.advanceTimersByTime(4 * PACKET_MS);
    expect(flow.held).toEqual([true, false]);
  });

  it('changes its bandwidth and delay while it runs', () => {
    const link = create({ bitsPerSecond: 50e6 });
    const flow = open(link);
    flow.write(1_000_000);
    vi.advanceTimersByTime(100);
    const before = bytesOf(flow.deliveries);
    expect(before).toBeGreaterThan(600_000);
    link.shape({ bitsPerSecond: 1e6 });
    vi.advanceTimersByTime(1000);
    expect(bytesOf(flow.deliveries) - before).toBeGreaterThan(110_000);
    expect(bytesOf(flow.deliveries) - before).toBeLessThan(140_000);
    link.shape({ bitsPerSecond: null });
    vi.advanceTimersByTime(20);
    expect(bytesOf(flow.deliveries)).toBe(1_000_000);
  });

  it('delivers nothing during an outage, and everything afterwards', () => {
    const link = create({ bitsPerSecond: 0, queueBytes: PACKET });
    const flow = open(link);
    flow.write(3 * PACKET);
    vi.advanceTimersByTime(60_000);
    expect(flow.deliveries).toEqual([]);
    expect(flow.held).toEqual([true]);
    link.shape({ bitsPerSecond: 1e6 });
    vi.advanceTimersByTime(2 * PACKET_MS);
    expect(flow.deliveries).toHaveLength(2);
    vi.advanceTimersByTime(2 * PACKET_MS);
    expect(bytesOf(flow.deliveries)).toBe(3 * PACKET);
  });

  it('delivers nothing during a stall, and afterwards everything that was sent during it', () => {
    const link = create({ bitsPerSecond: 1e6 });
    const flow = open(link);
    link.stall(300);
    flow.write(30_000);
    vi.advanceTimersByTime(298);
    expect(flow.deliveries).toEqual([]);
    vi.advanceTimersByTime(4);
    expect(bytesOf(flow.deliveries)).toBe(30_000);
  });

  it('has jitter that is the same for the same seed, within its bounds, and never changes the order', () => {
    const times = (seed: number): number[] => {
      const link = create({ delayMs: 20, jitterMs: 40 }, seed);
      const deliveries: { atMs: number; number: number }[] = [];
      const flow = link.open({
        deliver: (bytes) => deliveries.push({ atMs: performance.now() - startMs, number: bytes[0]! }),
        hold: () => undefined,
      });
      for (let number = 0; number < 100; number += 1) {
        flow.write(Buffer.of(number));
        vi.advanceTimersByTime(10);
      }
      vi.advanceTimersByTime(100);
      expect(deliveries.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, number) => number));
      return deliveries.map(({ atMs, number }) => atMs - 10 * number);
    };
    const first = times(7);
    expect(Math.min(...first)).toBeGreaterThanOrEqual(19);
    expect(Math.max(...first)).toBeLessThanOrEqual(62);
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(20);
    expect(times(7)).toEqual(first);
    expect(times(8)).not.toEqual(first);
  });

  it('forwards the end of a connection after all bytes, but nothing of a closed flow', () => {
    const link = create({ bitsPerSecond: 1e6, delayMs: 10 });
    const [ended, closed] = [open(link), open(link)];
    ended.write(10_000);
    ended.write(0);
    closed.write(10_000);
    closed.close();
    vi.advanceTimersByTime(1000);
    expect(ended.deliveries.at(-1)!.bytes).toBe(0);
    expect(bytesOf(ended.deliveries)).toBe(10_000);
    expect(closed.deliveries).toEqual([]);
    expect(link.queuedBytes).toBe(0);
  });

  it('has space for the bytes that it would have transmitted, even if its timer is late', () => {
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ['performance'] });
    const link = create({ bitsPerSecond: 1e6, queueBytes: 10 * PACKET });
    const flow = open(link);
    for (let packet = 0; packet < 11; packet += 1) flow.write(PACKET);
    expect(link.isFull()).toBe(true);
    vi.advanceTimersByTime(3 * PACKET_MS);
    expect(link.isFull()).toBe(false);
    expect(link.carriedBytes).toBeGreaterThanOrEqual(3 * PACKET);
    link.close();
  });
});

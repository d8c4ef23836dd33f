import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { readSamples } from '../../helpers/samples.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';

async function start(): Promise<Gateway & { url: string }> {
  const gateway = await createGateway({ port: 0, source: ['door=push:', 'yard=push:'] });
  return Object.assign(gateway, { url: (await gateway.listen()).url });
}

async function scrape({ url }: { url: string }): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readSamples(await response.text());
}

describe('GET /metrics', () => {
  it('match the sent and counted frames, including those of clients that have left', async () => {
    await using gateway = await start();
    const door = gateway.streams.get('door')!;
    {
      await using viewer = await Viewer.connect(gateway.url, 'door');
      await viewer.hello();
      for (let sequence = 1; sequence <= 5; sequence += 1) {
        expect(door.push(JPEG)).toBe(sequence);
        expect((await viewer.until('frame')).sequence).toBe(sequence);
        viewer.ack(sequence);
        await viewer.settled();
      }
      // Two frames are in flight, and one was replaced in the mailbox with the last one, which waits there.
      for (let i = 0; i < 4; i += 1) door.push(JPEG);
      await viewer.settled();
      const samples = await scrape(gateway);
      expect(samples.get('gearway_client_frames_delivered_total{stream="door",kind="web",port="6000"}')).toBe(7);
      // Live, or stuck if this test was delayed.
      const states = ['live', 'stuck'].map(
        (state) => samples.get(`gearway_clients{stream="door",kind="web",state="${state}"}`) ?? 0,
      );
      expect(states.reduce((sum, count) => sum + count)).toBe(1);
      expect(samples.get('gearway_ports{stream="door",state="taken"}')).toBe(1);
    }
    await expect.poll(() => door.clients.length).toBe(0);
    {
      await using spectator = await Viewer.connect(gateway.url, 'door');
      await spectator.hello({ spectate: true });
      await spectator.until('frame');
      const samples = await scrape(gateway);
      expect(samples.get('gearway_client_frames_delivered_total{stream="door",kind="spectator",port="none"}')).toBe(1);
    }
    await expect.poll(() => door.clients.length).toBe(0);
    const samples = await scrape(gateway);
    const expected = {
      'gearway_stream_frames_received_total{stream="door"}': 9,
      'gearway_stream_frames_received_total{stream="yard"}': 0,
      'gearway_stream_bytes_received_total{stream="door"}': 9 * JPEG.byteLength,
      'gearway_stream_frames_rejected_total{stream="door"}': 0,
      'gearway_client_frames_delivered_total{stream="door",kind="web",port="6000"}': 7,
      'gearway_client_bytes_delivered_total{stream="door",kind="web",port="6000"}': 7 * JPEG.byteLength,
      'gearway_client_frames_dropped_total{stream="door",kind="web",port="6000",cause="overtaken"}': 1,
      'gearway_client_connections_total{stream="door",kind="web",port="6000"}': 1,
      'gearway_clients{stream="door",kind="web",state="live"}': 0,
      'gearway_stream_state{stream="yard",state="waiting"}': 1,
      'gearway_stream_state{stream="yard",state="live"}': 0,
      'gearway_source_up{stream="yard",kind="push"}': 1,
      'gearway_source_restarts_total{stream="door"}': 0,
      'gearway_round_trip_seconds_count{stream="door",kind="web"}': 5,
      'gearway_round_trip_seconds_bucket{stream="door",kind="web",le="+Inf"}': 5,
      'gearway_round_trip_seconds_count{stream="door",kind="native"}': 0,
      'gearway_latency_seconds_count{stream="door",kind="web"}': 0,
    };
    expect(Object.fromEntries(Object.keys(expected).map((series) => [series, samples.get(series)]))).toEqual(expected);
    // Stale if this test was delayed.
    expect(
      (samples.get('gearway_stream_state{stream="door",state="live"}') ?? 0) +
        (samples.get('gearway_stream_state{stream="door",state="stale"}') ?? 0),
    ).toBe(1);
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds'])
      expect(samples.get(name), name).toBeGreaterThanOrEqual(0);
  });

  it('have the latencies that viewers report, in cumulative buckets', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url, 'door');
    await viewer.hello();
    for (const [index, delayMs] of [3, 30, 30_000].entries()) {
      gateway.streams.get('door')!.push(JPEG);
      await viewer.until('frame');
      viewer.ack(index + 1, delayMs);
      await viewer.settled();
    }
    const samples = await scrape(gateway);
    const bucket = (le: string): number | undefined =>
      samples.get(`gearway_latency_seconds_bucket{stream="door",kind="web",le="${le}"}`);
    expect(['0.0025', '0.005', '0.025', '0.05', '10', '+Inf'].map(bucket)).toEqual([0, 1, 1, 2, 2, 3]);
    expect(samples.get('gearway_latency_seconds_sum{stream="door",kind="web"}')).toBeCloseTo(30.033);
  });

  it('read their counters once for concurrent requests', async () => {
    await using gateway = await start();
    gateway.streams.get('door')!.push(JPEG);
    const all = await Promise.all(Array.from({ length: 5 }, () => scrape(gateway)));
    for (const samples of all) expect(samples.get('gearway_stream_frames_received_total{stream="door"}')).toBe(1);
  });
});

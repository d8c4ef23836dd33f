import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder } from '../helpers/media.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { Prometheus, promtool } from '../helpers/prometheus.ts';
import { readSamples } from '../helpers/samples.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { WebhookReceiver } from '../helpers/webhook-receiver.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const PICTURE = { height: 120, width: 400 };

const scrape = async (gateway: LocalGateway): Promise<string> => (await fetch(`${gateway.url}/metrics`)).text();

/** The queries of the Grafana dashboard, for all streams and gateways. */
function dashboardQueries(): { readonly title: string; readonly expression: string }[] {
  const { panels } = JSON.parse(readFileSync(`${DEPLOY}/grafana/gearway.json`, 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      title,
      expression: expr.replaceAll('$__rate_interval', '10s').replaceAll(/\$(?:stream|instance|job)/g, '.*'),
    })),
  );
}

describe('GET /metrics with real peers', () => {
  it('matches the frames that a real server sent and that its clients counted', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${native}?pattern=1&pace=off`,
    );
    await using client = new PythonPeer('client.py', { port: native, bidirectional: true, numbers: true, ...PICTURE });
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    await gateway.statusWhere('a live native client', ({ clients }) => clients.every(({ state }) => state === 'live'));
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 120, ...PICTURE });
    const { sent } = await server.waitFor<{ sent: number }>('done');
    const numbers = (): number => client.events<{ n: number }>('number').length;
    let samples: ReadonlyMap<string, number> = new Map();
    // Wait until no frame is in flight or waiting in a mailbox.
    const accounted = async (): Promise<number[]> => {
      samples = readSamples(await scrape(gateway));
      return ['native', 'web'].map(
        (kind) =>
          sum(samples, 'gearway_client_frames_delivered_total', kind) +
          sum(samples, 'gearway_client_frames_dropped_total', kind),
      );
    };
    await expect.poll(accounted, { timeout: 10_000 }).toEqual([sent, sent]);
    expect(samples.get('gearway_stream_frames_received_total{stream="main"}')).toBe(sent);
    expect(samples.get('gearway_stream_frames_rejected_total{stream="main"}')).toBe(0);
    await expect
      .poll(numbers)
      .toBe(samples.get(`gearway_client_frames_delivered_total{stream="main",kind="native",port="${native}"}`));
    await expect
      .poll(() => viewer.messages.length)
      .toBe(samples.get('gearway_client_frames_delivered_total{stream="main",kind="web",port="6000"}'));
    expect(samples.get('gearway_round_trip_seconds_count{stream="main",kind="native"}')).toBeGreaterThanOrEqual(
      numbers(),
    );
    const { repeats } = await client.waitFor<ClientReport>('progress', ({ last }) => last === sent - 1);
    // The last frame may have been repeated in the meantime.
    const repeated = readSamples(await scrape(gateway)).get(
      `gearway_client_frames_repeated_total{stream="main",kind="native",port="${native}"}`,
    );
    expect(repeated).toBeGreaterThanOrEqual(repeats);
  });

  it('passes `promtool check metrics`', async () => {
    await using gateway = await LocalGateway.start('--client', 'tcp://127.0.0.1:1');
    await using _viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    const text = await scrape(gateway);
    expect(text).toContain('gearway_stream_frames_received_total');
    expect(promtool(['check', 'metrics'], { input: text })).toEqual({ code: 0, output: '' });
  });

  it('answers every query of the dashboard in a real Prometheus, which shows the token', async () => {
    const [client] = (await freePorts(1)) as [number];
    await using receiver = await WebhookReceiver.start();
    await using folder = await Folder.create();
    const config = await folder.write(
      'gateway.yaml',
      `streams: { main: { source: 'test-pattern:?size=320x180&fps=15' } }\nwebhooks: { ops: { url: '${receiver.url}' } }\n`,
    );
    await using gateway = await LocalGateway.start(
      '--config',
      config,
      '--token',
      'secret',
      '--view-token',
      'watch',
      '--client',
      `tcp://127.0.0.1:${client}?pattern=1`,
    );
    const url = gateway.url;
    await using _viewer = await WebViewer.open(`${url}/streams/main`, { token: 'secret' });
    await using _spectator = await WebViewer.open(`${url}/streams/main`, { token: 'watch', spectate: true });
    await using prometheus = await Prometheus.start(new URL(url).host, 'watch');
    const up = async (): Promise<string | undefined> => (await prometheus.query('up{job="gearway"}'))[0]?.value[1];
    await expect.poll(up).toBe('1');
    const queries = dashboardQueries();
    expect(queries.length).toBeGreaterThan(15);
    for (const { title, expression } of queries) {
      await expect
        .poll(
          async () =>
            (await prometheus.query(expression)).map(({ value }) => value[1]).filter((value) => value !== 'NaN').length,
          { timeout: 20_000, message: `${title}: ${expression}` },
        )
        .toBeGreaterThan(0);
    }
  });
});

describe('deploy/prometheus', () => {
  it('passes `promtool check`', () => {
    expect(promtool(['check', 'rules', `${DEPLOY}/prometheus/gearway.rules.yml`])).toMatchObject({ code: 0 });
    expect(promtool(['check', 'config', '--syntax-only', `${DEPLOY}/prometheus/prometheus.yml`])).toMatchObject({
      code: 0,
    });
  });

  it('fires the expected alerts, and no others', () => {
    expect(
      promtool(['test', 'rules', 'rules.test.yml'], { cwd: fileURLToPath(new URL('../prometheus', import.meta.url)) }),
    ).toMatchObject({ code: 0 });
  });
});

function sum(samples: ReadonlyMap<string, number>, name: string, kind: string): number {
  let total = 0;
  for (const [series, value] of samples)
    if (series.startsWith(`${name}{`) && series.includes(`kind="${kind}"`)) total += value;
  return total;
}

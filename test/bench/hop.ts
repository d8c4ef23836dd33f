import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { alternate, type Bench } from './bench.ts';
import type { FrameName, Hop, HopEnds } from './hop-ends.ts';
import type { HopRelay } from './hop-relay.ts';
import { BenchProcess } from './processes.ts';
import type { Line, Report } from './report.ts';

const GATEWAY = 'Gearway';
const FLOOR = 'transport alone';

/** Targets for the medians, in ms: small compared with the interval of 16 ms at 60 fps. */
const FRAMES: Readonly<Record<FrameName, { readonly what: string; readonly atMost: number }>> = {
  jpeg: { what: '100 KB JPEG', atMost: 1 },
  raw: { what: '2.7 MB raw', atMost: 5 },
};

/** Latency of a frame through the gateway, from a NetGear server's socket to a viewer's. */
export const hop: Bench = {
  name: 'hop',
  summary: 'ms from a NetGear server to a viewer, compared with the transports alone',
  effort: { rounds: 10, seconds: 3 },
  async run({ rounds, seconds }) {
    const [source = 0, relaySource = 0] = await freePorts(2);
    await using gateway = await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using relay = new BenchProcess<HopRelay>('./hop-relay.ts');
    await using ends = new BenchProcess<HopEnds>('./hop-ends.ts');
    await ends.ask('open', GATEWAY, 'gateway', source, Number(new URL(await gateway.url).port));
    await ends.ask('open', FLOOR, 'relay', relaySource, await relay.ask('listen', relaySource));
    const measure = (name: string, frame: FrameName) => () => ends.ask('measure', name, frame, seconds);
    const jpeg = await alternate(rounds, { [GATEWAY]: measure(GATEWAY, 'jpeg'), [FLOOR]: measure(FLOOR, 'jpeg') });
    const raw = await alternate(rounds, { [GATEWAY]: measure(GATEWAY, 'raw'), [FLOOR]: measure(FLOOR, 'raw') });
    return report({ jpeg, raw });
  },
};

type Measured = Readonly<Record<FrameName, Readonly<Record<string, readonly Hop[]>>>>;

function report(measured: Measured): Report {
  const names = ['jpeg', 'raw'] as const;
  return {
    method:
      'A NetGear server (our NetGearSender, pattern 1) and a viewer that requests raw frames are in one process, so that one clock measures the time from handing a frame to the ZeroMQ socket until its last byte is read, at 60 fps. Compared with a process that only copies data from a ZeroMQ socket to a TCP socket.',
    lines: names.flatMap((name) => lines(name, measured[name])),
    notes: names.flatMap((name) => lost(name, measured[name])),
  };
}

function lines(name: FrameName, hops: Measured[FrameName]): Line[] {
  const { what, atMost } = FRAMES[name];
  const series = (key: 'median' | 'p95'): Line['series'] =>
    Object.entries(hops).map(([of, values]) => ({ name: of, values: values.map((value) => value[key]) }));
  return [
    { what: `${what}, median`, unit: 'ms', digits: 2, series: series('median'), targets: [{ is: 'value', atMost }] },
    { what: `${what}, 95th percentile`, unit: 'ms', digits: 2, series: series('p95') },
  ];
}

/** Notes about dropped frames, which were not measured. */
function lost(name: FrameName, hops: Measured[FrameName]): string[] {
  return Object.entries(hops).flatMap(([of, values]) => {
    const sum = (key: 'sent' | 'received'): number => values.reduce((total, value) => total + value[key], 0);
    const missing = sum('sent') - sum('received');
    return missing === 0
      ? []
      : [`${FRAMES[name].what}, ${of}: ${missing} of ${sum('sent')} frames did not arrive within 0.2 s of the last.`];
  });
}

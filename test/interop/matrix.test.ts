import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Peer {
  readonly name: string;
  readonly pattern: 0 | 1 | 2;
  readonly protocol: 'tcp' | 'ipc';
  readonly secure: 0 | 1 | 2;
  readonly multiclient: boolean;
  readonly bidirectional: boolean;
}
interface Place {
  readonly protocol: Peer['protocol'];
  readonly address: string;
  readonly port: number;
}
interface Sent {
  readonly server: string;
  readonly n: number;
  readonly sha1: string;
}
interface Received {
  readonly client: string;
  readonly n: number;
  readonly message: { readonly n: number; readonly from: string } | null;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha1: string;
}
interface Returned {
  readonly server: string;
  readonly data: Readonly<Record<string, unknown>> | null;
}

const PATTERNS = [0, 1, 2] as const;
const MODES = [0, 1, 2] as const;

const FRAMES = 30;
const HEIGHT = 121;
const WIDTH = 401;

/** Minimum number of frames from a publisher, which drops frames that the network does not accept immediately. */
const MIN_FRAMES = FRAMES / 2;

/**
 * All combinations that NetGear allows: not bidirectional in pattern 2, no multi-clients mode in pattern 0, no keys over
 * ipc, whose peers have no IP address.
 */
function allPeers(multiclients: readonly boolean[]): Peer[] {
  return PATTERNS.flatMap((pattern) =>
    [false, true]
      .filter((bidirectional) => !bidirectional || pattern !== 2)
      .flatMap((bidirectional) =>
        multiclients
          .filter((multiclient) => !multiclient || pattern !== 0)
          .flatMap((multiclient) =>
            [
              ...MODES.map((secure) => ({ secure, protocol: 'tcp' as const })),
              { secure: 0 as const, protocol: 'ipc' as const },
            ].map(({ secure, protocol }) => ({
              name: [
                `pattern ${pattern}`,
                `secure ${secure}`,
                protocol,
                ...(multiclient ? ['multi-clients'] : []),
                ...(bidirectional ? ['bidirectional'] : []),
              ].join(', '),
              pattern,
              protocol,
              secure,
              multiclient,
              bidirectional,
            })),
          ),
      ),
  );
}

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'gearway-matrix-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function place({ protocol }: Pick<Peer, 'protocol'>, port: number, folder: string): Place {
  return { protocol, port, address: protocol === 'ipc' ? join(folder, 'feed') : '127.0.0.1' };
}

function url({ protocol, address, port }: Place, { pattern, secure }: Peer, keys: string): string {
  return `${protocol}://${address}:${port}?pattern=${pattern}${secure === 0 ? '' : `&secure=${secure}&keys=${keys}`}`;
}

/**
 * In secure mode, a real receiver of pattern 2 gets nothing from any sender: its high-water mark is 1, and its only slot
 * is permanently taken by the credential of its own authenticator (libzmq adds it to the count, and never subtracts it).
 */
function receivesNothing({ pattern, secure }: Peer): boolean {
  return pattern === 2 && secure !== 0;
}

function returnsData({ pattern, bidirectional, multiclient }: Peer): boolean {
  return pattern !== 2 && (bidirectional || multiclient);
}

/** A frame that a client gets again after a pause counts once. */
function withoutRepeats(frames: readonly Received[]): Received[] {
  return frames.filter(({ n }, index) => n !== frames[index - 1]?.n);
}

/**
 * Checks the frames of one client: complete, except in patterns that drop frames; in order, unmodified, with their
 * messages.
 */
function compare(
  received: readonly Received[],
  sent: readonly Sent[],
  { isLossy, hasMessages }: { isLossy: boolean; hasMessages: boolean },
): string {
  const expected = new Map(sent.map((each) => [each.n, each]));
  const numbers = received.map(({ n }) => n);
  const wrong = received.filter(
    ({ n, sha1, dtype, shape }) =>
      expected.get(n)?.sha1 !== sha1 || dtype !== 'uint8' || shape.join() !== `${HEIGHT},${WIDTH},3`,
  );
  if (wrong.length > 0) return `pictures that were not sent: ${wrong.map(({ n }) => n).join()}`;
  if (numbers.some((n, index) => n <= (numbers[index - 1] ?? -1))) return `out of order: ${numbers.join()}`;
  const misplaced = received.filter(({ n, message }) =>
    hasMessages ? message?.n !== n || message.from !== expected.get(n)?.server : message !== null,
  );
  if (misplaced.length > 0) return `a message that was not sent: ${JSON.stringify(misplaced[0])}`;
  const missed = [...expected.keys()].filter((n) => !numbers.includes(n));
  if (isLossy ? numbers.length < MIN_FRAMES : missed.length > 0)
    return `${numbers.length} of ${sent.length} frames; missed ${missed.join()}`;
  return 'as sent';
}

describe('the gateway as a server', () => {
  it('sends every kind of real client the pixels and messages of a real server, JPEG and raw, and the server their return data', async () => {
    await using folder = await temporaryFolder();
    const peers = allPeers([false, true]);
    const [source, ...ports] = (await freePorts(peers.length + 1)) as [number, ...number[]];
    const clients = peers.map((peer, index) => ({ ...peer, ...place(peer, ports[index]!, folder.path) }));
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      ...clients.flatMap((client) => ['--client', url(client, client, folder.path)]),
    );
    const byPort = clients.toSorted((a, b) => a.port - b.port);
    await using plain = manyClients(
      clients.filter(({ secure }) => secure === 0),
      folder.path,
    );
    await using stonehouse = manyClients(
      clients.filter(({ secure }) => secure === 1),
      folder.path,
    );
    await using ironhouse = manyClients(
      clients.filter(({ secure }) => secure === 2),
      folder.path,
    );
    const processes = [plain, stonehouse, ironhouse];
    await gateway.statusWhere('all clients live', (status) => status.clients.every(({ state }) => state === 'live'));
    const kinds = [
      { name: 'jpeg', first: 100 },
      { name: 'raw', first: 200, raw: true },
    ].map((kind) => ({ ...kind, port: source, pattern: 1, bidirectional: true, steps: true }));
    await using server = new PythonPeer('many_servers.py', { frames: FRAMES, sequences: [kinds] });
    const watched = processes.map((peer, secure) => ({
      isThere: watch(peer),
      names: clients.filter((client) => client.secure === secure && client.pattern !== 2).map(({ name }) => name),
    }));
    await takeTurns(server, gateway, kinds, (n) => Promise.all(watched.map(({ isThere, names }) => isThere(names, n))));

    const frames = processes.flatMap((peer) => peer.events<Received>('frame'));
    for (const kind of ['jpeg', 'raw']) {
      const sent = server.events<Sent>('sent').filter((each) => each.server === kind);
      const first = sent[0]!.n;
      const results = clients.map(({ name, pattern, bidirectional }) => {
        const received = frames.filter((frame) => frame.client === name && frame.n >= first && frame.n < first + 100);
        return [
          name,
          received.length === 0
            ? 'nothing'
            : compare(withoutRepeats(received), sent, { isLossy: pattern === 2, hasMessages: bidirectional }),
        ];
      });
      expect({ kind, ...Object.fromEntries(results) }).toEqual({
        kind,
        ...Object.fromEntries(clients.map((client) => [client.name, receivesNothing(client) ? 'nothing' : 'as sent'])),
      });
      // Clients in multi-clients mode return data even if they are not bidirectional.
      const returned = server
        .events<Returned>('returned')
        .filter((each) => each.server === kind)
        .at(-1)?.data;
      expect(Object.entries(returned ?? {}).filter(([, value]) => value !== null)).toEqual(
        byPort.filter(returnsData).map(({ name, port }) => [String(port), { from: name }]),
      );
    }
    const status = await gateway.status();
    expect(
      status.clients
        .filter((_, index) => !receivesNothing(byPort[index]!))
        .map(({ port, state, rejected, returnData }) => ({ port, state, rejected, returnData })),
    ).toEqual(
      byPort
        .filter((client) => !receivesNothing(client))
        .map((client) => ({
          port: client.port,
          state: 'live',
          rejected: 0,
          returnData: returnsData(client) ? { from: client.name } : null,
        })),
    );
    expect(status.counters).toMatchObject({ received: 2 * FRAMES, rejected: 0, returnsRejected: 0 });
  });
});

describe('a real client of pattern 2 in secure mode', () => {
  it('gets nothing, and the API reports this as soon as the network buffers are full', async () => {
    await using folder = await temporaryFolder();
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      'test-pattern:?size=1280x720&fps=30',
      '--client',
      `tcp://127.0.0.1:${port}?pattern=2&secure=1&keys=${folder.path}`,
    );
    await using client = new PythonPeer('many_clients.py', {
      clients: [{ name: 'it', port, pattern: 2, secure: 1, keys: folder.path }],
    });
    await client.waitFor('ready');
    const { clients } = await gateway.statusWhere('a stuck client', (status) => status.clients[0]?.state === 'stuck');
    expect(clients[0]!.reason).toMatch(
      /subscribed but not receiving: NetGear's pattern 2 does not work in secure mode/,
    );
    expect(client.events('frame')).toEqual([]);
  });
});

/** Waits for frames of several clients of one process: until each of them has shown this one, or a later one. */
type Watch = (clients: readonly string[], n: number) => Promise<unknown>;

function watch(peer: PythonPeer): Watch {
  const newest = new Map<string, number>();
  let read = 0;
  return async (clients, n) => {
    const haveIt = (): boolean => clients.every((client) => (newest.get(client) ?? -1) >= n);
    if (haveIt()) return;
    let at = 0;
    await peer.stdout.waitFor(`frame ${n} at all of ${clients.join('; ')}`, (line) => {
      at += 1;
      if (at > read) {
        read = at;
        const event = line.startsWith('{"event": "frame"') ? (JSON.parse(line) as Received) : null;
        if (event !== null) newest.set(event.client, event.n);
      }
      return haveIt() ? true : undefined;
    });
  };
}

interface Turn {
  readonly name: string;
  readonly first: number;
  readonly steps: boolean;
}

/**
 * Makes each server send its next frame when the previous one has arrived everywhere, so that the speed of the machine
 * does not matter. The next server of a sequence starts when the gateway has noticed the end of the previous one,
 * because a PAIR socket drops earlier frames.
 */
async function takeTurns(
  servers: PythonPeer,
  gateway: Pick<GatewayProcess, 'statusWhere'>,
  sequence: readonly Turn[],
  arrived: (n: number) => Promise<unknown>,
): Promise<void> {
  for (const [index, { name, first, steps }] of sequence.entries()) {
    if (index > 0) servers.stdin.write(`${name}\n`);
    for (let n = first; steps && n < first + FRAMES; n += 1) {
      await arrived(n);
      servers.stdin.write(`${name} ${n}\n`);
    }
    await servers.waitFor<{ server: string }>('closed', ({ server }) => server === name);
    await gateway.statusWhere(`no server after ${name}`, ({ source }) => source.state === 'listening');
  }
}

function manyClients(clients: readonly (Peer & Place)[], keys: string): PythonPeer {
  return new PythonPeer('many_clients.py', {
    height: HEIGHT,
    clients: clients.map((client) => ({ ...client, keys, returns: { from: client.name } })),
  });
}

describe('the gateway as a client', () => {
  it('accepts every kind of real server, JPEG and raw, and forwards pixels, messages and return data', async () => {
    await using folder = await temporaryFolder();
    // One gateway per transport, with servers of all kinds, one after another.
    const ways = allPeers([false]).filter(({ bidirectional }) => !bidirectional);
    const ports = await freePorts(2 * ways.length);
    const routes = ways.map((way, index) => ({
      ...way,
      source: place(way, ports[2 * index]!, folder.path),
      clientPort: ports[2 * index + 1]!,
    }));
    const running = await Promise.all(
      routes.map((route) =>
        LocalGateway.start(
          '--source',
          `netgear:${url(route.source, route, folder.path)}`,
          '--client',
          `tcp://127.0.0.1:${route.clientPort}`,
        ),
      ),
    );
    await using _ = {
      [Symbol.asyncDispose]: () =>
        Promise.all(running.map((gateway) => gateway[Symbol.asyncDispose]())).then(() => undefined),
    };
    await using client = new PythonPeer('many_clients.py', {
      height: HEIGHT,
      clients: routes.map(({ name, clientPort }) => ({
        name,
        port: clientPort,
        pattern: 1,
        bidirectional: true,
        returns: { from: name },
      })),
    });
    await Promise.all(
      running.map((gateway) =>
        gateway.statusWhere('a client with return data', ({ clients }) =>
          clients.every(({ returnData }) => returnData !== null),
        ),
      ),
    );
    const sequences = routes.map(({ name, pattern, secure, source }) =>
      [false, true]
        .flatMap((raw) =>
          [false, true]
            .filter((bidirectional) => !bidirectional || pattern !== 2)
            .map((bidirectional) => ({
              name: `${name}, ${raw ? 'raw' : 'JPEG'}${bidirectional ? ', bidirectional' : ''}`,
              raw,
              bidirectional,
              pattern,
              secure,
              keys: folder.path,
              ...source,
            })),
        )
        .map((server, index) => ({ ...server, first: 100 * (index + 1), steps: pattern !== 2 })),
    );
    await using server = new PythonPeer('many_servers.py', { frames: FRAMES, sequences });
    const isThere = watch(client);
    await Promise.all(
      running.map((gateway, index) =>
        takeTurns(server, gateway, sequences[index]!, (n) => isThere([routes[index]!.name], n)),
      ),
    );

    const frames = client.events<Received>('frame');
    const results: Record<string, unknown> = {};
    const expected: Record<string, unknown> = {};
    for (const [index, route] of routes.entries()) {
      for (const { name, first, bidirectional } of sequences[index]!) {
        const sent = server.events<Sent>('sent').filter((each) => each.server === name);
        const received = frames.filter(
          ({ client: receiver, n }) => receiver === route.name && n >= first && n < first + 100,
        );
        const isLossy = route.pattern === 2;
        results[name] = {
          frames: compare(withoutRepeats(received), sent, { isLossy, hasMessages: bidirectional }),
          returned:
            server
              .events<Returned>('returned')
              .filter((each) => each.server === name)
              .at(-1)?.data ?? null,
        };
        expected[name] = {
          frames: 'as sent',
          returned: bidirectional ? { [route.clientPort]: { from: route.name } } : null,
        };
      }
    }
    expect(results).toEqual(expected);
    for (const gateway of running)
      expect((await gateway.status()).counters).toMatchObject({ rejected: 0, returnsRejected: 0 });
  });
});

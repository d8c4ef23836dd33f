import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { StreamStatus } from '../../shared/status.ts';
import { Disposables } from '../helpers/disposables.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { ProcessorWait } from './processor-wait.ts';
import { Prober } from './prober.ts';
import { listRoutes } from './routes.ts';
import { WatchingViewer } from './watching-viewer.ts';
import type { FakePort, World, ZmqPort } from './world.ts';

/** Ports of web viewers. There are enough of them, although ports stay reserved for viewers that have just left. */
const VIRTUAL_PORTS = 'main=6000-9000';
const RESERVED_PORT = 6000;

/**
 * Client addresses, sent as a proxy would send them, because all loopback addresses count as one address, which the
 * attacks use.
 */
const INNOCENT = '192.0.2.2';
const JUDGE = '192.0.2.3';

/** The arguments of the gateway under test, and its description for the fuzzers. */
export interface Setup {
  readonly args: readonly string[];
  readonly world: World;
  /** Ports of the real server, and of the real clients of the server's stream and of the pushed one. */
  readonly serverPort: number;
  readonly clientPorts: readonly [served: number, pushed: number];
}

/** Chooses ports and options, with a source of every kind that accepts connections. */
export async function createSetup(heavy: boolean): Promise<Setup> {
  const [http = 0, server = 0, served = 0, pushed = 0, ...rest] = await freePorts(4 + 12 + 6);
  const next = (): number => rest.shift()!;
  const secret = (): string => randomBytes(12).toString('hex');
  const tokens = { administer: secret(), view: secret(), publish: secret(), port: secret() };
  const zmq: ZmqPort[] = [{ port: server, socket: 'REP', codec: 'netgear', isFramesAllowed: false }];
  const sources = [
    'main=test-pattern:?size=320x240&fps=30',
    'side=test-pattern:?size=320x240&fps=30',
    'cam=push:',
    `real=netgear:tcp://127.0.0.1:${server}?pattern=1`,
  ];
  const listen = (socket: ZmqPort['socket'], codec: ZmqPort['codec']): number => {
    const port = next();
    zmq.push({ port, socket, codec, isFramesAllowed: true });
    return port;
  };
  const local = (port: number): string => `tcp://127.0.0.1:${port}`;
  sources.push(
    `rep=netgear:${local(listen('REP', 'netgear'))}?pattern=1`,
    `pair=netgear:${local(listen('PAIR', 'netgear'))}?pattern=0`,
    `sub=netgear:${local(listen('SUB', 'netgear'))}?pattern=2`,
  );
  sources.push(
    `multi=netgear:${local(listen('REP', 'netgear'))},${listen('REP', 'netgear')}?multiclient=true`,
    `many=netgear:${local(listen('REP', 'netgear'))},${listen('REP', 'netgear')}?multiserver=true`,
  );
  sources.push(`hub=imagezmq:${local(listen('REP', 'imagezmq'))}`);
  const asyncSockets = ['PAIR', 'REP', 'SUB', 'PULL'] as const;
  asyncSockets.forEach((socket, pattern) =>
    sources.push(`async${pattern}=netgear-async:${local(listen(socket, 'async'))}?pattern=${pattern}`),
  );
  const fakes: FakePort[] = [];
  const fake = (socket: FakePort['socket']): number => {
    const port = next();
    fakes.push({ port, socket });
    return port;
  };
  const clients = [fake('REP'), fake('REP'), fake('REP')].map((port) => `main=${local(port)}?pattern=1`);
  clients.push(`main=${local(fake('PAIR'))}?pattern=0`, `main=${local(fake('SUB'))}?pattern=2`);
  sources.push(`pubs=imagezmq:${local(fake('PUB'))}?pattern=publish-subscribe`);
  clients.push(`real=${local(served)}?pattern=1`, `cam=${local(pushed)}?pattern=1`);
  const options = [
    '--port',
    String(http),
    '--trust-proxy',
    'loopback',
    '--virtual-ports',
    VIRTUAL_PORTS,
    '--token',
    tokens.administer,
    '--view-token',
    tokens.view,
    '--publish-token',
    tokens.publish,
    '--reserve',
    `${RESERVED_PORT}=${tokens.port}`,
  ];
  const world: World = {
    httpPort: http,
    tokens,
    reservedPort: RESERVED_PORT,
    viewed: ['main', 'real'],
    pushed: ['cam'],
    routes: await listRoutes(),
    zmq,
    fakes,
    innocents: [
      ...[served, pushed, ...fakes.map(({ port }) => port)].map((port) => `native-${port}`),
      ...Array.from({ length: 8 }, (_, n) => `web-${n}`),
    ],
    heavy,
  };
  return {
    args: [
      ...sources.flatMap((source) => ['--source', source]),
      ...clients.flatMap((client) => ['--client', client]),
      ...options,
    ],
    world,
    serverPort: server,
    clientPorts: [served, pushed],
  };
}

/** The part of the API's status that must return to its initial values. */
export interface ApiCounts {
  readonly webClients: number;
  readonly nativeClients: number;
  /** Number of ports that are reserved for viewers that have left. */
  readonly held: number;
}

/** The gateway under test with real peers and honest viewers, and another gateway that is not attacked. */
export class TestBed implements AsyncDisposable {
  readonly gateway: GatewayProcess;
  readonly server: PythonPeer;
  /** Real clients: of the server's stream, and of the pushed one. */
  readonly clients: readonly [served: PythonPeer, pushed: PythonPeer];
  /** Viewers of the stream that is attacked, and of a stream that is not attacked. */
  readonly viewers: readonly [attacked: WatchingViewer, other: WatchingViewer];
  readonly control: WatchingViewer;
  readonly prober: Prober;
  readonly controlProber: Prober;
  /** Waiting times of the gateway, and of the watching process. */
  readonly waits: readonly ProcessorWait[];
  readonly #owned: Disposables;
  readonly #world: World;

  private constructor(
    parts: Pick<
      TestBed,
      'gateway' | 'server' | 'clients' | 'viewers' | 'control' | 'prober' | 'controlProber' | 'waits'
    >,
    owned: Disposables,
    world: World,
  ) {
    this.gateway = parts.gateway;
    this.server = parts.server;
    this.clients = parts.clients;
    this.viewers = parts.viewers;
    this.control = parts.control;
    this.prober = parts.prober;
    this.controlProber = parts.controlProber;
    this.waits = parts.waits;
    this.#owned = owned;
    this.#world = world;
  }

  /** Starts everything; resolves when all frames flow. */
  static async start({ args, world, serverPort, clientPorts: [served, pushed] }: Setup): Promise<TestBed> {
    const owned = new Disposables();
    try {
      const gateway = owned.use(await GatewayProcess.start(...args));
      const control = owned.use(
        await GatewayProcess.start(
          '--source',
          'test-pattern:?size=320x240&fps=30',
          '--token',
          world.tokens.administer,
          '--view-token',
          world.tokens.view,
          '--trust-proxy',
          'loopback',
        ),
      );
      const controlPort = Number(new URL(await control.url).port);
      const server = owned.use(
        new PythonPeer('server.py', {
          port: serverPort,
          bidirectional: true,
          frames: 1_000_000_000,
          fps: 20,
          quiet: true,
        }),
      );
      const clients = [
        owned.use(new PythonPeer('client.py', { port: served, bidirectional: true })),
        owned.use(new PythonPeer('client.py', { port: pushed, bidirectional: true, height: -1 })),
      ] as const;
      const viewer = async (port: number, stream: string): Promise<WatchingViewer> =>
        owned.use(
          await WatchingViewer.open({ port, stream, token: world.tokens.view, from: INNOCENT, name: 'innocent' }),
        );
      const viewers = [await viewer(world.httpPort, 'main'), await viewer(world.httpPort, 'side')] as const;
      const controlViewer = await viewer(controlPort, 'main');
      await Promise.all([
        server.waitFor('progress'),
        ...clients.map((client) => client.waitFor<ClientReport>('progress', ({ count }) => count > 0)),
      ]);
      const own = <T extends Disposable>(disposable: T): T => {
        owned.use({ [Symbol.asyncDispose]: async () => disposable[Symbol.dispose]() });
        return disposable;
      };
      const waits = [gateway.process.pid!, process.pid].map((pid) => own(new ProcessorWait(pid)));
      return new TestBed(
        {
          gateway,
          server,
          clients,
          viewers,
          control: controlViewer,
          prober: own(new Prober(world.httpPort, JUDGE)),
          controlProber: own(new Prober(controlPort, JUDGE)),
          waits,
        },
        owned,
        world,
      );
    } catch (error) {
      await owned[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Milliseconds without a processor between two times, of the gateway and of the watching process. */
  readonly waitedMs = (fromMs: number, toMs: number): number =>
    this.waits.reduce((sum, wait) => sum + wait.between(fromMs, toMs), 0);

  /** Frames that a real client has received. */
  framesOf(client: 0 | 1): number {
    return this.clients[client].events<ClientReport>('progress').at(-1)?.count ?? 0;
  }

  /** Maximum number of seconds between two frames of the real client of the server's stream. */
  get longestOfClient(): number {
    return this.clients[0].events<ClientReport>('progress').at(-1)?.longest ?? 0;
  }

  /** Frames that the real server has sent. */
  get sent(): number {
    return this.server.events<{ readonly n: number }>('progress').at(-1)?.n ?? 0;
  }

  async statuses(): Promise<readonly StreamStatus[]> {
    const response = await fetch(`http://127.0.0.1:${this.#world.httpPort}/api/streams`, {
      headers: { authorization: `Bearer ${this.#world.tokens.administer}`, connection: 'close' },
      signal: AbortSignal.timeout(20_000),
    });
    if (!response.ok) throw new Error(`GET /api/streams answers ${response.status}`);
    return (await response.json()) as StreamStatus[];
  }

  async counts(): Promise<ApiCounts> {
    const all = await this.statuses();
    const clients = all.flatMap((status) => status.clients);
    const native = clients.filter(({ kind }) => kind === 'native').length;
    return {
      webClients: clients.length - native,
      nativeClients: native,
      held: all.reduce((sum, { ports }) => sum + ports.held.length, 0),
    };
  }

  /** Removes native clients that an input has added. @param before their ids at the start. */
  async removeListedClients(before: ReadonlySet<string>): Promise<void> {
    for (const { name, clients } of await this.statuses()) {
      for (const { id, kind } of clients) {
        if (kind !== 'native' || before.has(`${name} ${id}`)) continue;
        await fetch(`http://127.0.0.1:${this.#world.httpPort}/api/streams/${name}/clients/${encodeURIComponent(id)}`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${this.#world.tokens.administer}`, connection: 'close' },
        });
      }
    }
  }

  async nativeIds(): Promise<ReadonlySet<string>> {
    return new Set(
      (await this.statuses()).flatMap(({ name, clients }) =>
        clients.filter(({ kind }) => kind === 'native').map(({ id }) => `${name} ${id}`),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

/** Waits for a condition. @returns whether it was met in time. */
export async function until(holds: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) return false;
    await delay(100);
  }
  return true;
}

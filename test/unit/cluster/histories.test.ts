import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GearwayError } from '../../../shared/errors.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { ClusterPorts } from '../../../gateway/cluster/cluster-ports.ts';
import { BEAT_MS, Membership } from '../../../gateway/cluster/membership.ts';
import { Ownership } from '../../../gateway/cluster/ownership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { LEASE_HOLD_MS, type LeaseHolder } from '../../../gateway/hub/port-registry.ts';
import { ModelServers, ModelStore } from './model-store.ts';

const PORTS = { from: 6000, to: 6002 };
const GATEWAYS = 3;

/** A viewer with its connection. Only the viewer itself has its keys. */
class ModelViewer {
  key: string | undefined;
  connection: { readonly gateway: ModelGateway; readonly port: number; readonly holder: LeaseHolder } | null = null;
}

/** A gateway with its own clock, connection and view. */
class ModelGateway {
  readonly store: ModelStore;
  readonly replica: Replica;
  readonly membership: Membership;
  readonly ownership: Ownership;
  readonly ports: ClusterPorts;
  isRunning = true;
  isStopped = false;
  ranAtMs = 0;
  #nextBeatAtMs = 0;

  constructor(servers: ModelServers, clock: { nowMs: number }) {
    const nowMs = (): number => clock.nowMs;
    const log = SILENT_LOGGER;
    this.store = new ModelStore(servers);
    this.replica = new Replica(this.store, nowMs);
    this.membership = new Membership({
      store: this.store,
      replica: this.replica,
      name: 'model',
      describe: () => ({ url: null, streams: [] }),
      log,
      nowMs,
    });
    this.ownership = new Ownership({
      replica: this.replica,
      membership: this.membership,
      streams: new Map([['main', { hasFailover: true }]]),
      log,
    });
    this.ports = new ClusterPorts({
      stream: 'main',
      ranges: [PORTS],
      reserved: [],
      hasFailover: () => true,
      replica: this.replica,
      membership: this.membership,
      log,
      nowMs,
      patienceMs: 0,
    });
  }

  /** Runs its due timers. */
  async run(nowMs: number): Promise<void> {
    if (!this.isRunning || this.isStopped) return;
    this.ranAtMs = nowMs;
    if (nowMs >= this.#nextBeatAtMs) {
      this.#nextBeatAtMs = nowMs + BEAT_MS;
      await this.membership.beat().catch(() => undefined);
    }
    // Timers run after the messages, which is the less favourable order if the gateway was suspended.
    this.ports.tick();
  }
}

type Action =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'connect'; readonly viewer: number; readonly gateway: number; readonly loses: boolean }
  | { readonly kind: 'leave'; readonly viewer: number }
  | { readonly kind: 'deliver'; readonly gateway: number; readonly count: number }
  | { readonly kind: 'cut' | 'heal' | 'stop' | 'go on' | 'kill' | 'restart'; readonly gateway: number };

const gateway = fc.nat(GATEWAYS - 1);
const viewer = fc.nat(4);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(100, 500, 1500, 5000, 31_000) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      viewer,
      gateway,
      loses: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave' as const), viewer }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), gateway, count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'cut' as const,
        'heal' as const,
        'stop' as const,
        'go on' as const,
        'kill' as const,
        'restart' as const,
      ),
      gateway,
    }),
  },
);

/** Interval between two checks of all gateways. */
const STEP_MS = 100;

class World {
  readonly clock = { nowMs: 1000 };
  readonly servers = new ModelServers();
  readonly gateways = Array.from({ length: GATEWAYS }, () => new ModelGateway(this.servers, this.clock));
  readonly viewers = Array.from({ length: 5 }, () => new ModelViewer());
  /** Number of observed events of each kind, so that the test cannot pass without any event. */
  leases = 0;
  owners = 0;

  async do(action: Action): Promise<void> {
    if (action.kind === 'wait') {
      for (let left = action.ms; left > 0; left -= STEP_MS) await this.step();
      return;
    }
    if (action.kind === 'leave') {
      this.#leave(this.viewers[action.viewer]!);
      return;
    }
    const at = this.gateways[action.gateway]!;
    switch (action.kind) {
      case 'connect':
        await this.#connect(this.viewers[action.viewer]!, at, action.loses);
        break;
      case 'deliver':
        if (!at.isStopped) at.store.deliver(at.replica, action.count);
        break;
      case 'cut':
      case 'heal':
        at.store.isCut = action.kind === 'cut';
        break;
      case 'stop':
      case 'go on':
        at.isStopped = action.kind === 'stop';
        break;
      case 'kill':
        at.isRunning = false;
        // The sockets of its viewers end with it.
        for (const each of this.viewers) if (each.connection?.gateway === at) each.connection = null;
        break;
      case 'restart':
        if (!at.isRunning) this.gateways[action.gateway] = new ModelGateway(this.servers, this.clock);
        break;
      default:
        action satisfies never;
    }
  }

  async step(): Promise<void> {
    this.clock.nowMs += STEP_MS;
    for (const each of this.gateways) {
      if (each.isRunning && !each.isStopped) each.store.deliver(each.replica);
      await each.run(this.clock.nowMs);
    }
    // Writes in the background.
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    this.check();
  }

  check(): void {
    const ports = new Set<number>();
    for (const each of this.viewers) {
      const { connection } = each;
      // A suspended gateway serves no viewers.
      if (connection === null || connection.gateway.isStopped) continue;
      // This runs millions of times: `expect` would take most of the time.
      if (ports.has(connection.port)) throw new Error(`port ${connection.port} has two viewers`);
      ports.add(connection.port);
    }
    let owners = 0;
    for (const { isRunning, isStopped, ownership } of this.gateways)
      if (isRunning && !isStopped && ownership.isOwner('main')) owners += 1;
    if (owners > 1) throw new Error(`${owners} gateways own one stream`);
    this.owners += owners;
  }

  async #connect(each: ModelViewer, at: ModelGateway, losesAnswer: boolean): Promise<void> {
    if (!at.isRunning || at.isStopped) return;
    const before = each.connection;
    // The leases of a gateway that was suspended for long have expired, and others may have got the ports.
    const keepsPort = before !== null && this.clock.nowMs - before.gateway.ranAtMs < LEASE_HOLD_MS / 2;
    this.#leave(each);
    const holder: LeaseHolder = { revoke: () => end(), lose: () => end() };
    const end = (): void => {
      if (each.connection?.holder === holder) each.connection = null;
    };
    if (losesAnswer) at.store.losesAnswer = true;
    const key = each.key;
    try {
      const { port, leaseKey } = await at.ports.lease(holder, { key });
      each.key = leaseKey;
      each.connection = { gateway: at, port, holder };
      // The viewer keeps its port even if the directory of this gateway is much older.
      if (keepsPort) expect(port, 'the port of a viewer that changes its gateway').toBe(before.port);
      this.leases += 1;
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      // No port is free, or the servers cannot be reached: the viewer becomes a spectator.
    }
    at.store.losesAnswer = false;
  }

  #leave(each: ModelViewer): void {
    const { connection } = each;
    each.connection = null;
    if (connection?.gateway.isRunning === true) connection.gateway.ports.leave(connection.port, connection.holder);
  }
}

/** test/soak/idle/histories.test.ts runs 10,000. */
const RUNS = Number(process.env['GEARWAY_HISTORIES'] ?? 300);

describe('random histories of three gateways', () => {
  it('never assign one port to two viewers, or one stream to two owners', async () => {
    let leases = 0;
    let owners = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
        const world = new World();
        // All gateways are members.
        for (let step = 0; step < 20; step += 1) await world.step();
        for (const each of actions) await world.do(each);
        await world.step();
        leases += world.leases;
        owners += world.owners;
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(leases).toBeGreaterThan(RUNS);
    expect(owners).toBeGreaterThan(RUNS * 10);
  }, 900_000);

  it('have an owner again within 3 s after the owner was killed, and its viewers keep their ports', async () => {
    const world = new World();
    for (let step = 0; step < 20; step += 1) await world.step();
    const before = world.gateways.findIndex(({ ownership }) => ownership.isOwner('main'));
    const [first] = world.viewers;
    await world.do({ kind: 'connect', viewer: 0, gateway: before, loses: false });
    const port = first?.connection?.port;
    await world.do({ kind: 'kill', gateway: before });
    await world.do({ kind: 'wait', ms: 3000 });
    const after = world.gateways.findIndex(({ isRunning, ownership }) => isRunning && ownership.isOwner('main'));
    expect(after).not.toBe(-1);
    await world.do({ kind: 'connect', viewer: 0, gateway: after, loses: false });
    expect(first?.connection?.port).toBe(port);
  });

  it('have no owner among a minority of gateways', async () => {
    const world = new World();
    for (let step = 0; step < 20; step += 1) await world.step();
    const owner = world.gateways.findIndex(({ ownership }) => ownership.isOwner('main'));
    await world.do({ kind: 'cut', gateway: owner });
    await world.do({ kind: 'wait', ms: 1500 });
    expect(world.gateways[owner]?.ownership.isOwner('main')).toBe(false);
    await world.do({ kind: 'wait', ms: 1500 });
    expect(world.gateways.filter(({ ownership }) => ownership.isOwner('main'))).toHaveLength(1);
  });
});

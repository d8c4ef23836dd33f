import type { Msg, NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClusterControl } from '../../../gateway/cluster/cluster-control.ts';
import type { FrameExporter } from '../../../gateway/cluster/frame-exporter.ts';
import { MirrorSession } from '../../../gateway/cluster/mirror-session.ts';
import { SessionHost } from '../../../gateway/cluster/session-host.ts';
import { SESSION_TIMEOUT_MS } from '../../../gateway/cluster/session-wire.ts';
import { REQUEST_TIMEOUT_MS } from '../../../gateway/hub/control.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { DEFAULT_STREAM_POLICY, Stream } from '../../../gateway/hub/stream.ts';
import type { ControlAction, Value } from '../../../shared/protocol.ts';
import { runInBackground } from '../../../shared/background.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { Person } from '../../helpers/person.ts';
import { takeJson } from '../../helpers/take-json.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** Transit time of a message. */
const LATENCY_MS = 3;

/** The time until all gateways have learned of a change: the end of a session, and the next answers. */
const SETTLE_MS = SESSION_TIMEOUT_MS + 1000;

/** Carries requests and answers between gateways; gateways can be cut off. */
class Net {
  readonly cut = new Set<Gateway>();
  readonly #hosts = new Map<string, { readonly at: Gateway; readonly receive: (message: Msg) => void }>();

  connectionOf(at: Gateway): NatsConnection {
    const connection = {
      subscribe: (subject: string, options: { readonly callback: (error: null, message: Msg) => void }) => {
        this.#hosts.set(subject, { at, receive: (message) => options.callback(null, message) });
        return { unsubscribe: () => this.#hosts.delete(subject) };
      },
      publish: (subject: string, data: Uint8Array) => this.#send(at, subject, { data } as Msg),
      request: (subject: string, data: Uint8Array, { timeout }: { readonly timeout: number }) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error('timeout')), timeout);
          const respond = (text: string): void =>
            this.#later(at, () => {
              clearTimeout(timer);
              resolve({ json: () => JSON.parse(text) as unknown });
            });
          this.#send(at, subject, { data, reply: 'reply', respond } as unknown as Msg);
        }),
    };
    return connection as unknown as NatsConnection;
  }

  #send(from: Gateway, subject: string, message: Msg): void {
    if (this.cut.has(from)) return;
    const to = this.#hosts.get(subject);
    if (to !== undefined) this.#later(to.at, () => this.#hosts.get(subject)?.receive(message));
  }

  #later(to: Gateway, deliver: () => void): void {
    setTimeout(() => {
      if (!this.cut.has(to)) deliver();
    }, LATENCY_MS);
  }
}

/** A gateway's part of the stream `main`. */
class Gateway {
  readonly stream: Stream;
  readonly control: ClusterControl;
  readonly #cluster: Cluster;
  readonly #connection: NatsConnection;
  readonly #host: SessionHost;
  readonly #subject: string;
  #session: MirrorSession | null = null;
  #opened: Promise<void> = Promise.resolve();
  #isKilled = false;

  constructor(cluster: Cluster, index: number) {
    this.#cluster = cluster;
    this.#subject = `session.${index}.${(count += 1)}`;
    this.#connection = cluster.net.connectionOf(this);
    const isHere = (): boolean => cluster.owner === this;
    const controls: ClusterControl[] = [];
    this.stream = new Stream({
      name: 'main',
      policy: { ...DEFAULT_STREAM_POLICY, control: 'exclusive' },
      createControl: (options) => {
        const control = new ClusterControl({
          ...options,
          isHere,
          announced: () => cluster.owner?.control.state() ?? null,
        });
        controls.push(control);
        return control;
      },
      virtualPorts: [{ from: firstPort(index), to: firstPort(index) + 9 }],
      sourceTakesReturns: true,
      events: new EventLog(),
      waitingReason: 'no frame yet',
      log: SILENT_LOGGER,
    });
    this.control = controls[0]!;
    const exporter = { want: () => undefined, unwant: () => undefined, repeat: () => undefined, silenceMs: 0 };
    this.#host = new SessionHost({
      connection: this.#connection,
      subject: this.#subject,
      streams: new Map([
        ['main', { stream: this.stream, exporter: exporter as unknown as FrameExporter, isOwner: isHere }],
      ]),
      gatewayName: () => `G${index}`,
      log: SILENT_LOGGER,
    });
  }

  /** Mirrors the current owner as its source does, one session after the other. */
  ownerChanged(): void {
    this.control.ownerChanged();
    this.#opened = this.#opened.then(async () => {
      await this.#session?.close();
      this.#session = null;
      const { owner } = this.#cluster;
      if (owner !== this) this.#host.endSessions(this.stream);
      if (owner === null || owner === this || this.#isKilled) return;
      this.#session = new MirrorSession({
        connection: this.#connection,
        maxPayload: () => 1 << 20,
        subject: owner.#subject,
        stream: 'main',
        from: this.#subject,
        returns: this.stream.returns,
        control: this.control,
        needsPictures: () => true,
        newestFrame: () => 0,
        onAnswer: () => undefined,
        onFailure: () => undefined,
        log: SILENT_LOGGER,
      });
    });
  }

  /** Kills the gateway: it sends nothing from now on. */
  kill(): void {
    this.#cluster.net.cut.add(this);
    this.#isKilled = true;
    this.ownerChanged();
    this.#host.close();
    this.stream.close();
  }
}

let count = 0;
const firstPort = (index: number): number => 6000 + 10 * index;

class Cluster {
  readonly net = new Net();
  readonly gateways: Gateway[] = [];
  owner: Gateway | null = null;

  /** The first gateway owns the stream. */
  static async start(gateways = 3): Promise<Cluster> {
    const cluster = new Cluster();
    for (let index = 0; index < gateways; index += 1) cluster.gateways.push(new Gateway(cluster, index));
    await cluster.own(0);
    clusters.push(cluster);
    return cluster;
  }

  /** Makes another gateway, or none, the owner of the stream. */
  async own(index: number | null): Promise<void> {
    this.owner = index === null ? null : (this.gateways[index] ?? null);
    for (const gateway of this.gateways) gateway.ownerChanged();
    await pass(10);
  }

  /** Kills the gateway, and starts another one in its place, which owns nothing. */
  kill(index: number): void {
    const killed = this.gateways[index]!;
    killed.kill();
    if (this.owner === killed) this.owner = null;
    this.gateways[index] = new Gateway(this, index);
    // The other gateways notice that the owner is dead.
    for (const gateway of this.gateways) gateway.ownerChanged();
  }

  close(): void {
    for (const gateway of this.gateways) gateway.kill();
  }
}

const clusters: Cluster[] = [];
const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms);
};
const taken = ({ returns }: Stream): Record<string, Value> => JSON.parse(takeJson(returns)) as Record<string, Value>;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.close();
  vi.useRealTimers();
});

/** The result of a request: null, or the code of its refusal. */
async function outcome(ask: () => Promise<void>): Promise<string | null> {
  const settled = (async () => {
    try {
      await ask();
      return null;
    } catch (error) {
      return (error as { readonly code?: string }).code ?? String(error);
    }
  })();
  await pass(20);
  return settled;
}

describe('ClusterControl', () => {
  const three = async (): Promise<readonly [Cluster, Person, Person, Person]> => {
    const cluster = await Cluster.start();
    const [a, b, c] = cluster.gateways.map(
      ({ stream }, index) => new Person(stream, `web-${index}`, { name: ['desk', 'lab', 'gate'][index] ?? '' }),
    );
    await pass(300);
    return [cluster, a!, b!, c!];
  };

  it('is taken, requested, refused, handed over and released across gateways, and reported by all', async () => {
    const [cluster, a, b, c] = await three();
    expect(await outcome(() => b.ask('take'))).toBeNull();
    await pass(300);
    for (const { last } of [a, b, c]) expect(last?.view).toEqual({ port: 6010, name: 'lab', requests: [] });
    expect(await outcome(() => c.ask('take'))).toBe('control-taken');
    expect(await outcome(() => a.ask('take'))).toBe('control-taken');
    expect(await outcome(() => c.ask('request'))).toBeNull();
    await pass(300);
    for (const person of [b, c])
      expect(person.last?.view.requests).toEqual([{ port: 6020, name: 'gate', remainingMs: expect.any(Number) }]);
    expect(a.last?.view.requests).toEqual([]);
    expect(await outcome(() => b.ask('refuse', 6020))).toBeNull();
    await pass(300);
    expect(c.last).toMatchObject({ view: { port: 6010, requests: [] }, notice: { code: 'request-refused' } });
    expect(await outcome(() => a.ask('request'))).toBeNull();
    await pass(300);
    expect(await outcome(() => b.ask('hand-over', 6020))).toBeNull();
    await pass(300);
    expect(a.last).toMatchObject({ view: { port: 6020 }, notice: { code: 'request-ended' } });
    for (const { last } of [b, c]) expect(last).toMatchObject({ view: { port: 6020, name: 'gate' }, notice: null });
    expect(await outcome(() => b.ask('hand-over', 6000))).toBe('no-control');
    expect(await outcome(() => c.ask('release'))).toBeNull();
    await pass(300);
    for (const { last } of [a, b, c]) expect(last?.view.port).toBeNull();
    expect(cluster.gateways.map(({ control }) => control.status().port)).toEqual([null, null, null]);
  });

  it('admits only the data of the holder, and a stop from anyone', async () => {
    const [cluster, a, b, c] = await three();
    await outcome(() => b.ask('take'));
    b.give({ drive: 1 });
    await pass(50);
    expect(taken(cluster.owner!.stream)).toEqual({ 6000: null, 6010: { drive: 1 }, 6020: null });
    expect(() => c.give({ drive: 2 })).toThrow(coded('no-control'));
    expect(() => a.give({ drive: 2 })).toThrow(coded('no-control'));
    c.give({ drive: 2, stop: true }, { urgent: true });
    await pass(50);
    expect(taken(cluster.owner!.stream)).toEqual({ 6000: null, 6010: { drive: 1 }, 6020: { stop: true } });
    expect(cluster.gateways.map(({ control }) => control.status().refused)).toEqual([1, 0, 1]);
    expect(cluster.gateways.map(({ control }) => control.status())).toMatchObject([
      { port: 6010, client: null, name: 'lab' },
      { port: 6010, client: 'web-1', name: 'lab' },
      { port: 6010, client: null, name: 'lab' },
    ]);
  });

  it('refuses and counts data in transit when control is lost, and ends returned values', async () => {
    const [cluster, a, b] = await three();
    const { stream, control } = cluster.owner!;
    await outcome(() => b.ask('take'));
    b.give({ drive: 1 });
    await pass(50);
    void control.revoke();
    await outcome(() => a.ask('take'));
    expect(taken(stream)).toEqual({ 6000: null, 6010: null, 6020: null });
    // Its gateway has not been notified of this yet.
    b.give({ drive: 2 });
    await pass(LATENCY_MS);
    expect([taken(stream)[6010], control.status().refused, stream.returns.rejected]).toEqual([null, 1, 1]);
    await pass(300);
    expect(b.last).toMatchObject({ view: { port: 6000 }, notice: { code: 'control-revoked' } });
    expect(() => b.give({ drive: 3 })).toThrow(coded('no-control'));
    // The viewer gets control again, and the same value counts again.
    await outcome(() => a.ask('hand-over', 6010));
    await pass(300);
    b.give({ drive: 2 });
    await pass(50);
    expect(taken(stream)).toEqual({ 6000: null, 6010: { drive: 2 }, 6020: null });
  });

  it('is taken back by an administrator at any gateway', async () => {
    const [cluster, , b] = await three();
    await outcome(() => b.ask('take'));
    await pass(300);
    const former = cluster.gateways[2]!.control.revoke();
    await pass(20);
    expect(await former).toEqual({ id: null, port: 6010 });
    await pass(300);
    expect(b.last).toMatchObject({ view: { port: null }, notice: { code: 'control-revoked' } });
    const again = cluster.gateways[1]!.control.revoke();
    await pass(20);
    expect(await again).toBeNull();
  });

  it('is lost with the connection of the holder, and with its gateway within 2 s', async () => {
    const [cluster, a, b, c] = await three();
    await outcome(() => b.ask('take'));
    b.give({ drive: 1 });
    await pass(300);
    b.leave();
    await pass(300);
    for (const { last } of [a, c]) expect(last?.view.port).toBeNull();
    expect(taken(cluster.owner!.stream)).toEqual({ 6000: null, 6020: null });
    await outcome(() => c.ask('take'));
    c.give({ drive: 2 });
    await pass(50);
    expect(taken(cluster.owner!.stream)).toEqual({ 6000: null, 6020: { drive: 2 } });
    cluster.kill(2);
    await pass(2000);
    expect(taken(cluster.owner!.stream)).toEqual({ 6000: null });
    expect(a.last?.view.port).toBeNull();
  });

  it('has no holder after the owner has changed, not even for the viewers of the old and the new owner', async () => {
    for (const holder of [0, 1, 2]) {
      const [cluster, ...persons] = await three();
      const person = persons[holder]!;
      await outcome(() => person.ask('take'));
      person.give({ drive: 1 });
      await pass(300);
      await cluster.own(1);
      await pass(300);
      for (const { last } of persons) expect(last?.view.port).toBeNull();
      expect(person.last?.view.port).toBeNull();
      expect(person.notifications.some(({ notice }) => notice?.code === 'control-lost')).toBe(true);
      expect(taken(cluster.owner!.stream)[person.port]).toBeNull();
      expect(() => person.give({ drive: 2 })).toThrow(coded('no-control'));
      expect(await outcome(() => person.ask('take'))).toBeNull();
      person.give({ drive: 1 });
      await pass(50);
      expect(taken(cluster.owner!.stream)[person.port]).toEqual({ drive: 1 });
    }
  });

  it('is lost at the owner and at the cut-off gateway, and refused until the owner can be reached again', async () => {
    const [cluster, a, b] = await three();
    await outcome(() => b.ask('take'));
    await pass(300);
    cluster.net.cut.add(cluster.gateways[1]!);
    await pass(SETTLE_MS);
    expect(b.last).toMatchObject({ view: { port: null }, notice: { code: 'control-lost' } });
    expect(a.last?.view.port).toBeNull();
    const seen = b.ask('take').catch((error: unknown) => error);
    await pass(3000);
    expect(await seen).toEqual(coded('cluster-unreachable'));
    expect(() => b.give({ drive: 1 })).toThrow(coded('no-control'));
    cluster.net.cut.clear();
    await pass(SETTLE_MS);
    expect(cluster.owner!.control.status().port).toBeNull();
    expect(await outcome(() => b.ask('take'))).toBeNull();
  });

  it('is reported to spectators and to viewers without an owner', async () => {
    const [cluster, , b] = await three();
    const spectator = new Person(cluster.gateways[2]!.stream, 's', { spectate: true });
    await outcome(() => b.ask('take'));
    await pass(300);
    expect(spectator.last?.view.port).toBe(6010);
    expect(await outcome(() => spectator.ask('take'))).toBe('no-port');
    await cluster.own(null);
    await pass(300);
    expect(spectator.last?.view.port).toBeNull();
    expect(cluster.gateways.map(({ control }) => control.status().port)).toEqual([null, null, null]);
  });
});

/** The possible events, in any order. */
type Step =
  | { readonly kind: 'act'; readonly who: number; readonly action: ControlAction; readonly whom: number }
  | { readonly kind: 'give'; readonly who: number; readonly stop: boolean }
  | { readonly kind: 'connect' | 'leave'; readonly who: number }
  | { readonly kind: 'revoke' | 'cut' | 'heal' | 'kill' | 'own'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number };

const GATEWAYS = 3;
const PERSONS = 6;
const RUNS = Number(process.env['GEARWAY_CONTROL_HISTORIES'] ?? 150);

describe('ClusterControl, with any order of events', () => {
  const who = fc.nat(PERSONS - 1);
  const at = fc.nat(GATEWAYS - 1);
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('act' as const),
        who,
        action: fc.constantFrom('take', 'take', 'request', 'release', 'hand-over', 'refuse'),
        whom: who,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('give' as const), who, stop: fc.constantFrom(false, false, true) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('connect', 'connect', 'leave'), who }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('revoke', 'revoke', 'cut', 'heal', 'heal', 'kill', 'own'), at }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(1, LATENCY_MS, 10, 250, 700, SETTLE_MS, REQUEST_TIMEOUT_MS),
      }),
    },
  );

  it('has at most one holder whose data reaches the server, and all gateways agree on the holder in the end', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const cluster = await Cluster.start(GATEWAYS);
        const persons: (Person | null)[] = Array.from({ length: PERSONS }, () => null);
        /** Values that each person has returned; each value is returned once. */
        const given = new Map<Person, Set<string>>();
        /**
         * Values returned by the persons of killed gateways, by port: in this model, their successors get the same
         * ports.
         */
        const orphaned = new Map<number, Set<string>>();
        let number = 0;
        const gatewayOf = (index: number): Gateway => cluster.gateways[index % GATEWAYS]!;
        const connect = (index: number): void => {
          if (persons[index] !== null) return;
          number += 1;
          const port = firstPort(index % GATEWAYS) + Math.floor(index / GATEWAYS);
          try {
            persons[index] = new Person(gatewayOf(index).stream, `web-${number}`, { port });
          } catch {
            // Its port is still reserved for its predecessor.
          }
        };
        for (let index = 0; index < PERSONS; index += 1) connect(index);
        const check = (): void => {
          const { owner } = cluster;
          if (owner === null) return;
          const { port: holder } = owner.control.status();
          for (const [port, data] of Object.entries(taken(owner.stream))) {
            if (data === null || JSON.stringify(data) === '{"stop":true}') continue;
            expect(Number(port)).toBe(holder);
            const person = persons.find((each) => each?.port === Number(port));
            // A gateway that is killed or cut off is noticed later.
            if (person === undefined || person === null) continue;
            expect([...(given.get(person) ?? []), ...(orphaned.get(person.port) ?? [])]).toContain(
              JSON.stringify(data),
            );
            accepted += 1;
          }
        };
        const perform = async (current: Step): Promise<void> => {
          const person = 'who' in current ? (persons[current.who] ?? null) : null;
          switch (current.kind) {
            case 'connect':
              connect(current.who);
              break;
            case 'leave':
              person?.leave();
              persons[current.who] = null;
              break;
            case 'act': {
              const port = persons[current.whom]?.port;
              if (person === null) break;
              runInBackground(person.ask(current.action, port), (error) => {
                if ((error as Error).name !== 'GearwayError') throw error;
              });
              break;
            }
            case 'give': {
              if (person === null) break;
              number += 1;
              const value = current.stop ? { drive: number, stop: true } : { drive: number };
              person.give(value);
              given.set(person, (given.get(person) ?? new Set()).add(JSON.stringify(value)));
              break;
            }
            case 'revoke': {
              const former = cluster.gateways[current.at]!.control.revoke();
              if (former instanceof Promise) runInBackground(former, () => undefined);
              break;
            }
            case 'cut':
              cluster.net.cut.add(cluster.gateways[current.at]!);
              break;
            case 'heal':
              cluster.net.cut.delete(cluster.gateways[current.at]!);
              break;
            case 'kill':
              for (const [index, killed] of persons.entries()) {
                if (index % GATEWAYS !== current.at) continue;
                if (killed !== null) orphaned.set(killed.port, given.get(killed) ?? new Set());
                persons[index] = null;
              }
              cluster.kill(current.at);
              break;
            case 'own':
              await cluster.own(current.at);
              break;
            case 'wait':
              for (let left = current.ms; left > 0; left -= 100) {
                await pass(Math.min(100, left));
                check();
              }
              break;
            default:
              current satisfies never;
          }
        };
        for (const current of steps) {
          try {
            await perform(current);
          } catch (error) {
            expect(error).toMatchObject({ name: 'GearwayError' });
          }
          check();
        }
        // In the end all gateways agree.
        cluster.net.cut.clear();
        if (cluster.owner === null) await cluster.own(0);
        await pass(SETTLE_MS);
        orphaned.clear();
        const { port } = cluster.owner!.control.status();
        for (const { control } of cluster.gateways) expect(control.status().port).toBe(port);
        const live = persons.filter((person) => person !== null);
        for (const person of live) if (person.notifications.length > 0) expect(person.last?.view.port).toBe(port);
        const holders = cluster.gateways.flatMap(({ control }) =>
          live.filter(({ binding }) => control.isHolder(binding)),
        );
        expect(holders.map((person) => person.port)).toEqual(port === null ? [] : [port]);
        check();
        cluster.close();
        clusters.pop();
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(accepted).toBeGreaterThan(RUNS / 10);
  }, 600_000);
});

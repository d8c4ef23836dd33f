import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { CLUSTER_PROTOCOL } from '../../../gateway/cluster/membership.ts';
import type { ClusterStatus, StreamStatus } from '../../../shared/status.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { announcement } from '../../helpers/stream-announcement.ts';
import { Viewer } from '../../helpers/viewer.ts';
import { get, Here, served, until } from './here.ts';

/** Number of attacks, 10 ms apart. */
const ATTACKS = 250;

const SHAPE = [360, 640, 3];
const BYTES = 360 * 640 * 3;

interface Seen {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
}

/** A program that reads all messages, repeats them, and publishes messages that no gateway would send. */
class Attacker implements AsyncDisposable {
  readonly #connection: NatsConnection;
  readonly #seen: Seen[] = [];
  readonly #ids = new Set<string>();
  sent = 0;
  #turn = 0;

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
    connection.subscribe('>', {
      callback: (_, { subject, data, reply = '' }) => {
        const [, , id] = subject.split('.');
        if (!subject.startsWith('gearway.')) return;
        if (id !== undefined) this.#ids.add(id);
        this.#seen.push({ subject, data: Uint8Array.from(data), reply });
        if (this.#seen.length > 400) this.#seen.shift();
        // Sends a response before the requested gateway does.
        if (reply.startsWith('_INBOX.') && this.#turn % 7 === 0)
          this.#send(reply, ['null', '{"ok":true}', '}'][this.#turn % 3]!);
      },
    });
  }

  static async start(url: string): Promise<Attacker> {
    return new Attacker(await connect({ servers: url.replace('nats://', ''), noEcho: true }));
  }

  /** Sends one message of each kind. */
  attack(): void {
    this.#turn += 1;
    const any = this.#seen[(this.#turn * 31) % Math.max(1, this.#seen.length)];
    if (any !== undefined) {
      const { subject, data, reply } = any;
      this.#send(subject, data, reply);
      this.#send(subject, data.subarray(0, this.#turn % (data.byteLength + 1)), reply);
      this.#send(`${subject}h`, data, reply);
      this.#send(subject.replace(/\.[hp]$/, '.h'), data);
      if (subject.endsWith('.h')) {
        const head = JSON.parse(Buffer.from(data).toString()) as object;
        for (const changes of [
          { bytes: 4 * 2 ** 30 },
          { sequence: 1e300 },
          { ageUs: -1e300 },
          { message: '['.repeat(5000) },
        ])
          this.#send(subject, JSON.stringify({ ...head, ...changes }));
        // The head of the largest frame, followed by only a small part of it.
        this.#send(subject, JSON.stringify({ ...head, encoding: { kind: 'jpeg' }, bytes: 64 << 20 }));
        this.#send(subject.replace(/h$/, 'p'), new Uint8Array(100_000));
      }
    }
    for (const id of this.#ids)
      for (const subject of [
        `session.${id}`,
        `rendition-requests.${id}`,
        `thumbnails.${id}`,
        `frames.${id}.door.h`,
        `renditions.${id}.door.x.p`,
      ])
        for (const junk of ['', 'null', '{}', '\0\u0002{}', '[]'.repeat(1000)])
          this.#send(`gearway.${subject}`, junk, 'nobody');
    const row = {
      id: 'c',
      name: 'A',
      url: null,
      protocol: CLUSTER_PROTOCOL,
      hasLeft: false,
      number: this.#turn,
      streams: [],
    };
    const rows: Record<string, unknown> = {
      'member.c': row,
      'member.d': { ...row, id: 'd', url: 'javascript:alert(1)' },
      'member.e': { ...row, id: 'e', protocol: 2, streams: 'of a future version' },
      'member.f': 'junk',
      'owner.none': { member: ['x'] },
      'port.door.6005': { kind: 'lease', nonce: 5 },
      'port.door.x': { kind: 'native', nonce: 'x', member: 'c' },
      else: 'x'.repeat(1000),
    };
    for (const id of this.#ids) rows[`member.${id}`] = { ...row, id, hasLeft: this.#turn % 2 === 0 };
    if (this.#turn % 10 === 0)
      for (const [key, value] of Object.entries(rows)) this.#send(`$KV.gearway.${key}`, JSON.stringify(value));
  }

  #send(subject: string, data: Uint8Array | string, reply = ''): void {
    this.sent += 1;
    this.#connection.publish(subject, data, reply === '' ? {} : { reply });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}

describe('a cluster whose NATS server a stranger uses', () => {
  it('shows no mixed picture, returns nothing for a wrong port, and continues after the attack', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url);
    let n = 0;
    const timer = setInterval(() => {
      n += 1;
      a.gateway.stream.push(
        { dtype: 'uint8', shape: SHAPE, data: new Uint8Array(BYTES).fill(n & 255) },
        { message: { n } },
      );
    }, 50);
    using _timer = { [Symbol.dispose]: () => clearInterval(timer) };
    await using viewer = await Viewer.connect(b.url, 'door');
    const { port } = await viewer.hello();
    viewer.want({ raw: true });
    const seen: number[] = [];
    void (async () => {
      for (;;) {
        const { message, payload, sequence } = await viewer.until('frame');
        viewer.ack(sequence);
        const number = (message as { n: number }).n;
        seen.push(number);
        if (payload.byteLength !== BYTES || !payload.every((byte) => byte === (number & 255))) seen.push(NaN);
      }
    })().catch(() => undefined);
    const returned: { readonly port: number; readonly data: unknown }[] = [];
    void (async () => {
      for await (const value of a.gateway.stream.returns()) returned.push(value);
    })();
    await until(
      'frames',
      () => seen.length,
      (count) => count > 5,
    );
    const memory = process.memoryUsage().rss;
    await using attacker = await Attacker.start(nats.url);
    const others: (number | null)[] = [];
    for (let id = 1; id <= ATTACKS; id += 1) {
      attacker.attack();
      viewer.send({ type: 'return', id, mode: 'sticky', body: { kind: 'value', value: id } });
      if (id % 60 === 0)
        others.push((await (await Viewer.connect(id % 120 === 0 ? a.url : b.url, 'door')).hello()).port);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(attacker.sent).toBeGreaterThan(1000);
    // The stream continues with new frames and values.
    const before = n;
    await until(
      'a new frame',
      () => seen.at(-1) ?? 0,
      (number) => number > before,
      5000,
    );
    viewer.send({ type: 'return', id: 1_000_000, mode: 'sticky', body: { kind: 'value', value: 1_000_000 } });
    await until(
      'the last value',
      () => returned.at(-1)?.data,
      (data) => data === 1_000_000,
      5000,
    );
    expect(seen).not.toContain(NaN);
    expect(new Set(returned.filter(({ data }) => data !== null).map((value) => value.port))).toEqual(new Set([port]));
    const values = returned.flatMap(({ data }) => (typeof data === 'number' ? [data] : []));
    expect(values).toEqual(values.toSorted((one, other) => one - other));
    expect(others).toHaveLength(4);
    expect(new Set([port, ...others.filter((other) => other !== null)]).size).toBe(
      1 + others.filter((other) => other !== null).length,
    );
    expect(process.memoryUsage().rss - memory).toBeLessThan(600 << 20);
    expect(viewer.socket.readyState).toBe(viewer.socket.OPEN);
    for (const { url } of [a, b]) {
      expect(await get<StreamStatus[]>(`${url}/api/streams`)).toHaveLength(2);
      await until(
        'only the members',
        () => get<ClusterStatus>(`${url}/api/cluster`),
        ({ isConnected, members }) =>
          isConnected && members.map(({ name }) => name).join() === (url === a.url ? 'A,B' : 'B,A'),
      );
    }
  });
});

describe('a cluster with members that are not gateways', () => {
  it('accepts few of their streams, logs them at a limited rate, and accepts new ones when these have gone', async () => {
    await using nats = await NatsServer.start();
    const log: string[] = [];
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:', log: (line) => log.push(line) });
    const writer = await connect({ servers: nats.url.replace('nats://', '') });
    /** A member with streams that no member had before. */
    const write = (turn: number, count: number): void => {
      const streams = Array.from({ length: count }, (_, index) => announcement(`s${turn}-${index}`));
      for (const { name } of streams) writer.publish(`$KV.gearway.owner.${name}`, JSON.stringify({ member: 'x' }));
      const member = {
        id: 'x',
        name: 'X',
        url: null,
        protocol: CLUSTER_PROTOCOL,
        hasLeft: false,
        number: turn,
        streams,
      };
      writer.publish('$KV.gearway.member.x', JSON.stringify(member));
    };
    const shown = async (): Promise<readonly string[]> =>
      (await get<StreamStatus[]>(`${a.url}/api/streams`)).map(({ name }) => name);
    for (let turn = 0; turn < 8; turn += 1) {
      write(turn, 400);
      await until('an answer', shown, (names) => names.includes('door'), 1000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await shown()).length).toBeLessThanOrEqual(1025);
    expect(log.length).toBeLessThan(1500);
    write(100, 3);
    await until('a new stream', shown, (names) => names.includes('s100-2'), 10_000);
    await writer.close();
  });
});

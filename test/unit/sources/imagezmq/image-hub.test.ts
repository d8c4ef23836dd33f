import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Pair, Publisher, Reply, Request } from 'zeromq';
import { type HubReceiver, ImageHub, type ImageHubOptions } from '../../../../gateway/sources/imagezmq/image-hub.ts';
import type { SentPicture } from '../../../../gateway/sources/imagezmq/picture-codec.ts';
import { freePorts } from '../../../helpers/free-port.ts';
import { logTo } from '../../../helpers/log.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** JSON as written by pyzmq's send_json. */
const head = (name: string): string => JSON.stringify({ msg: name });

class Receiver implements HubReceiver {
  readonly sender: string | null;
  readonly pictures: SentPicture[] = [];
  readonly errors: unknown[] = [];

  constructor(sender: string | null = null) {
    this.sender = sender;
  }

  get messages(): unknown[] {
    return this.pictures.map(({ message }) => message);
  }

  received(picture: SentPicture): void {
    if (picture.picture instanceof Uint8Array && picture.picture.byteLength === 0) throw new Error('no picture');
    this.pictures.push(picture);
  }

  rejected(error: unknown): void {
    this.errors.push(error);
  }

  failed(error: unknown): void {
    throw error;
  }
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function open<T extends { close(): unknown }>(socket: T): T {
  closing.push(() => socket.close());
  return socket;
}

function createHub(options: Partial<ImageHubOptions> & Pick<ImageHubOptions, 'endpoints'>): {
  readonly hub: ImageHub;
  readonly logged: string[];
  join: (receiver: Receiver) => Promise<Receiver>;
} {
  const logged: string[] = [];
  const hub = new ImageHub({ pattern: 'request-reply', log: logTo(logged), ...options });
  return {
    hub,
    logged,
    join: async (receiver) => {
      closing.push(() => hub.leave(receiver));
      await hub.join(receiver);
      return receiver;
    },
  };
}

async function endpoint(): Promise<string> {
  const [port] = await freePorts(1);
  return `tcp://127.0.0.1:${port}`;
}

/** An imagezmq sender that connects, and waits for the answer to each picture. */
function createSender(address: string): { readonly send: (...parts: (string | Uint8Array)[]) => Promise<string> } {
  const socket = open(new Request({ linger: 0, receiveTimeout: 5000 }));
  socket.connect(address);
  return {
    send: async (...parts) => {
      await socket.send(parts);
      return String((await socket.receive())[0]);
    },
  };
}

describe('ImageHub', () => {
  it('answers each message, including invalid pictures and those without a receiver', async () => {
    const address = await endpoint();
    const { join, hub, logged } = createHub({ endpoints: [address] });
    const kitchen = await join(new Receiver('kitchen'));
    expect(hub.state()).toBe('listening');
    const sender = createSender(address);
    expect(await sender.send(head('kitchen'), Buffer.of(1))).toBe('OK');
    expect(await sender.send(head('kitchen'), '')).toBe('OK');
    expect(await sender.send('{', Buffer.of(1))).toBe('OK');
    expect(await sender.send('one part')).toBe('OK');
    for (const name of ['porch', 'porch', 'kitchen']) expect(await sender.send(head(name), Buffer.of(2))).toBe('OK');
    expect(kitchen.messages).toEqual(['kitchen', 'kitchen']);
    expect(kitchen.errors).toEqual([expect.any(Error), coded('header-invalid'), coded('parts-invalid')]);
    expect(hub.state()).toBe('1 sender connected');
    expect(logged).toEqual([
      'warning: imagezmq: pictures of the unknown sender "porch" are discarded; add it to senders=',
    ]);
  });

  it('delivers the pictures of each sender to its receiver, from one socket', async () => {
    const address = `ipc://${joinPath(tmpdir(), `gearway-${randomUUID()}`)}`;
    const { join, hub } = createHub({ endpoints: [address] });
    const [kitchen, porch, all] = await Promise.all([
      join(new Receiver('kitchen')),
      join(new Receiver('porch')),
      join(new Receiver()),
    ]);
    const senders = [createSender(address), createSender(address)];
    await Promise.all(
      ['kitchen', 'porch'].map(async (name, index) => {
        for (let n = 0; n < 50; n += 1) await senders[index]?.send(head(name), Buffer.of(index + 1));
      }),
    );
    expect(
      new Set(kitchen.pictures.map(({ message, picture }) => JSON.stringify([message, ...(picture as Uint8Array)]))),
    ).toEqual(new Set(['["kitchen",1]']));
    expect(
      new Set(porch.pictures.map(({ message, picture }) => JSON.stringify([message, ...(picture as Uint8Array)]))),
    ).toEqual(new Set(['["porch",2]']));
    expect([kitchen.pictures.length, porch.pictures.length, all.pictures.length]).toEqual([50, 50, 100]);
    expect(hub.peers).toBe(2);
  });

  it('is open while there is a receiver, and its address is free afterwards', async () => {
    const address = await endpoint();
    const { hub } = createHub({ endpoints: [address] });
    const [first, second] = [new Receiver(), new Receiver()];
    for (let round = 0; round < 20; round += 1) {
      // The receivers are opened and closed in any order, without waiting for each other.
      const done = [
        hub.join(first),
        hub.leave(first),
        hub.join(second),
        hub.join(first),
        hub.leave(second),
        hub.leave(first),
      ];
      await Promise.all(done);
      expect(hub.state()).toBe('closed');
      const other = new Reply({ linger: 0 });
      await other.bind(address);
      await expect(hub.join(first)).rejects.toEqual(coded('source-unavailable'));
      const ended = new Promise<void>((resolve) => other.events.on('close', () => resolve()));
      other.disconnect(address);
      await ended;
      other.close();
    }
  });

  it('reports a peer that is not a sender', async () => {
    const address = await endpoint();
    const { join, hub } = createHub({ endpoints: [address] });
    await join(new Receiver());
    const stranger = open(new Pair({ linger: 0 }));
    stranger.connect(address);
    await expect
      .poll(() => hub.state())
      .toBe('listening; the ZeroMQ peer 127.0.0.1 was refused: its socket type is not that of an imagezmq sender');
    expect(await createSender(address).send(head('kitchen'), Buffer.of(1))).toBe('OK');
    await expect.poll(() => hub.state()).toMatch(/^1 sender connected; /);
  });

  it('receives the pictures of several publishing senders, in any order of connecting', async () => {
    const [here, later] = [await endpoint(), await endpoint()];
    const publisher = open(new Publisher({ linger: 0 }));
    await publisher.bind(here);
    const { join, hub } = createHub({ pattern: 'publish-subscribe', endpoints: [here, later] });
    const receiver = await join(new Receiver());
    expect(hub.state()).toBe('connecting');
    const second = open(new Publisher({ linger: 0 }));
    await second.bind(later);
    // There is no event for the arrival of a subscription.
    await expect
      .poll(async () => {
        await publisher.send([head('kitchen'), Buffer.of(1)]);
        await second.send([head('porch'), Buffer.of(2)]);
        return new Set(receiver.messages);
      })
      .toEqual(new Set(['kitchen', 'porch']));
    expect(hub.state()).toBe('2 senders connected');
    second.close();
    await expect.poll(() => hub.state()).toBe('1 sender connected');
  });

  it('reconnects after another kind of socket', async () => {
    const address = await endpoint();
    const other = new Reply({ linger: 0 });
    await other.bind(address);
    const { join, hub } = createHub({ pattern: 'publish-subscribe', endpoints: [address] });
    const receiver = await join(new Receiver());
    await expect
      .poll(() => hub.state())
      .toBe('connecting; the peer is not an imagezmq sender of pattern publish-subscribe');
    const ended = new Promise<void>((resolve) => other.events.on('close', () => resolve()));
    other.disconnect(address);
    await ended;
    other.close();
    const publisher = open(new Publisher({ linger: 0 }));
    await publisher.bind(address);
    await expect
      .poll(async () => {
        await publisher.send([head('kitchen'), Buffer.of(1)]);
        return receiver.messages;
      })
      .toContain('kitchen');
    expect(hub.state()).toBe('connected');
  });
});

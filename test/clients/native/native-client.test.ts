import { Reply, Subscriber } from 'zeromq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { freePorts } from '../../helpers/free-port.ts';

/** Hand-made clients: what no real one does at will. The real ones are in test/interop. */
describe('NativeClient', () => {
  it('gets the card before the first frame, also when it is listed while the gateway runs', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const client = new Reply({ linger: 0, receiveTimeout: 5000 });
    onTestFinished(() => client.close());
    await client.bind(endpoint);
    await using gateway = await createGateway();
    gateway.stream.addClient(`${endpoint}?pattern=1`);
    const [header, payload] = await client.receive();
    expect(JSON.parse(String(header))).toMatchObject({ terminate_flag: false, message: null, compression: { colorspace: 'BGR' } });
    expect(payload?.subarray(0, 2)).toEqual(Buffer.of(0xff, 0xd8));
    expect(gateway.stream.status().frame).toBeNull();
  });

  it('is stuck while its subscriber takes nothing, and live when it takes frames again', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const subscriber = new Subscriber({ linger: 0, receiveHighWaterMark: 1, receiveBufferSize: 65_536 });
    onTestFinished(() => subscriber.close());
    subscriber.subscribe();
    await subscriber.bind(endpoint);
    await using gateway = await createGateway({ clients: [`${endpoint}?pattern=2`], idle: 'silence' });
    const timer = setInterval(() => gateway.stream.push({ dtype: 'uint8', shape: [500, 1000], data: new Uint8Array(500_000) }), 20);
    onTestFinished(() => clearInterval(timer));
    await subscriber.receive();
    const state = (): string | undefined => gateway.stream.clients[0]?.state;
    await expect.poll(state).toBe('live');
    await expect.poll(state, { timeout: 8000 }).toBe('stuck');
    expect(gateway.stream.clients[0]?.reason).toBe('it has subscribed and takes no frames');
    void (async () => {
      for await (const _parts of subscriber);
    })();
    await expect.poll(state).toBe('live');
    expect(gateway.stream.clients[0]?.reason).toBe('');
    const { delivered } = gateway.stream.clients[0]!;
    await expect.poll(() => gateway.stream.clients[0]!.delivered).toBeGreaterThan(delivered + 5);
  });
});

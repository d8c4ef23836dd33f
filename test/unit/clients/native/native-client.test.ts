import sharp from 'sharp';
import { Reply, Subscriber } from 'zeromq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../../../gateway/create-gateway.ts';
import type { ClientStatus } from '../../../../shared/status.ts';
import { freePorts } from '../../../helpers/free-port.ts';

function every20Ms(act: () => void): Disposable {
  const timer = setInterval(act, 20);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Scripted clients, for behaviour that real clients do not show on demand. Tests with real clients are in test/interop.
 */
describe('NativeClient', () => {
  it('is connected before the first frame, and gets a placeholder before NetGear times out, even when it is listed while the gateway runs', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const client = new Reply({ linger: 0, receiveTimeout: 15_000 });
    onTestFinished(() => client.close());
    await client.bind(endpoint);
    await using gateway = await createGateway();
    gateway.stream.addClient(`${endpoint}?pattern=1`);
    await expect.poll(() => gateway.stream.clients[0]?.state).toBe('live');
    const connectedAtMs = performance.now();
    const [header, payload] = await client.receive();
    const waitedMs = performance.now() - connectedAtMs;
    expect(waitedMs).toBeGreaterThan(7000);
    expect(waitedMs).toBeLessThan(12_000);
    expect(JSON.parse(String(header))).toMatchObject({
      terminate_flag: false,
      message: null,
      compression: { colorspace: 'BGR' },
    });
    expect(await sharp(payload).metadata()).toMatchObject({ format: 'jpeg', width: 1280, height: 720 });
    expect(gateway.stream.status().frame).toBeNull();
  });

  it('returns a JPEG once it has been verified, but no truncated JPEG', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const client = new Reply({ linger: 0 });
    onTestFinished(() => client.close());
    await client.bind(endpoint);
    const whole = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#808080' } })
      .jpeg()
      .toBuffer();
    const cut = Buffer.concat([whole.subarray(0, Math.floor(whole.byteLength * 0.9)), Buffer.of(0xff, 0xd9)]);
    let returned = cut;
    void (async () => {
      for await (const _frame of client)
        await client.send([
          '{"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "array_dtype": "", "array_shape": "", "data": null}',
          returned,
        ]);
    })();
    await using gateway = await createGateway({ clients: [`${endpoint}?pattern=1`] });
    using _pushing = every20Ms(() => gateway.stream.push({ dtype: 'uint8', shape: [2, 2], data: new Uint8Array(4) }));
    const status = (): ClientStatus => gateway.stream.clients[0]!;
    await expect.poll(() => status().rejected).toBeGreaterThan(2);
    expect(status().returnData).toBeNull();
    returned = whole;
    await expect.poll(() => status().returnData).not.toBeNull();
    const { rejected, returnData } = status();
    returned = cut;
    await expect.poll(() => status().rejected).toBeGreaterThan(rejected);
    expect(status().returnData).toEqual(returnData);
  });

  it('has no control: only a stop in its data reaches the server, for as long as the client returns it', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const client = new Reply({ linger: 0 });
    onTestFinished(() => client.close());
    await client.bind(endpoint);
    let returned: unknown = { drive: 1 };
    void (async () => {
      for await (const _frame of client) await client.send(JSON.stringify({ return_type: 'dict', data: returned }));
    })();
    await using gateway = await createGateway({ clients: [`${endpoint}?pattern=1`], control: 'exclusive' });
    using _pushing = every20Ms(() => gateway.stream.push({ dtype: 'uint8', shape: [2, 2], data: new Uint8Array(4) }));
    const status = (): ClientStatus => gateway.stream.clients[0]!;
    await expect.poll(() => status().rejected).toBe(1);
    const { delivered } = status();
    await expect.poll(() => status().delivered).toBeGreaterThan(delivered + 5);
    // The client returns the same value with each frame; the value is counted once.
    expect(status()).toMatchObject({ rejected: 1, returnData: null });
    returned = { drive: 1, stop: true };
    await expect.poll(() => status().returnData).toEqual({ stop: true });
    returned = { drive: 2 };
    await expect.poll(() => status().returnData).toBeNull();
    expect(gateway.stream.status()).toMatchObject({ control: { refused: 2 }, counters: { returnsRejected: 2 } });
  });

  it('is stuck while its subscriber reads nothing, and live when it reads frames again', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const subscriber = new Subscriber({ linger: 0, receiveHighWaterMark: 1, receiveBufferSize: 65_536 });
    onTestFinished(() => subscriber.close());
    subscriber.subscribe();
    await subscriber.bind(endpoint);
    await using gateway = await createGateway({ clients: [`${endpoint}?pattern=2`], idle: 'silence' });
    using _pushing = every20Ms(() =>
      gateway.stream.push({ dtype: 'uint8', shape: [500, 1000], data: new Uint8Array(500_000) }),
    );
    await subscriber.receive();
    const state = (): string | undefined => gateway.stream.clients[0]?.state;
    await expect.poll(state).toBe('live');
    await expect.poll(state, { timeout: 8000 }).toBe('stuck');
    expect(gateway.stream.clients[0]?.reason).toBe('subscribed but not receiving');
    void (async () => {
      for await (const _parts of subscriber);
    })();
    await expect.poll(state).toBe('live');
    expect(gateway.stream.clients[0]?.reason).toBe('');
    const { delivered } = gateway.stream.clients[0]!;
    await expect.poll(() => gateway.stream.clients[0]!.delivered).toBeGreaterThan(delivered + 5);
  });
});

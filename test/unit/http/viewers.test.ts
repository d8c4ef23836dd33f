import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import type { ViewerSocket } from '../../../gateway/clients/web/viewer-binding.ts';
import type { SharedLimits } from '../../../gateway/hub/shares.ts';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { Publishing } from '../../../gateway/sources/push/publishing.ts';
import { closeCode, PROTOCOL } from '../../../shared/protocol.ts';
import { forwardedFrom, TRUST_FORWARDED } from '../../helpers/from-address.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { Viewer } from '../../helpers/viewer.ts';

/** The HTTP application with the limits of the test, behind a trusted proxy. */
async function setUp(
  sharedLimits: Partial<SharedLimits>,
): Promise<AsyncDisposable & { readonly url: string; readonly webClients: ReadonlySet<ViewerSocket> }> {
  const app = await createHttpApp({
    stream: { virtualPorts: [{ from: 6000, to: 6063 }] },
    publishing: new Publishing(),
    sharedLimits,
    access: { insecure: true },
    trustProxies: TRUST_FORWARDED.trustProxies,
  });
  return Object.assign(app, { url: await app.listen() });
}

const from = (address: string): ClientOptions => ({ headers: forwardedFrom(address) });

describe('shares of viewers', () => {
  it('admits viewers of one address up to its share, and viewers of other addresses', async () => {
    await using gateway = await setUp({ viewers: { inAll: 5, perAddress: 2 } });
    const viewers = [await Viewer.connect(gateway.url), await Viewer.connect(gateway.url)];
    for (const viewer of viewers) await viewer.hello();
    await using refused = await Viewer.connect(gateway.url);
    expect(await refused.closed).toMatchObject({ code: closeCode.tooMuch });
    await using other = await Viewer.connect(gateway.url, 'main', from('192.0.2.2'));
    await other.hello();
    const [client] = gateway.webClients;
    await viewers[0]![Symbol.asyncDispose]();
    await client?.closed;
    await using next = await Viewer.connect(gateway.url);
    await next.hello();
  });

  it('admits the total maximum of viewers', async () => {
    await using gateway = await setUp({ viewers: { inAll: 3, perAddress: 2 } });
    await using first = await Viewer.connect(gateway.url);
    await using second = await Viewer.connect(gateway.url, 'main', from('192.0.2.2'));
    await using third = await Viewer.connect(gateway.url, 'main', from('192.0.2.3'));
    for (const viewer of [first, second, third]) await viewer.hello();
    await using refused = await Viewer.connect(gateway.url, 'main', from('192.0.2.4'));
    expect(await refused.closed).toMatchObject({ code: closeCode.tooMuch });
  });

  it('limits connections of viewers and publishers without a hello, until their hello arrives', async () => {
    await using gateway = await setUp({ greetings: { inAll: 10, perAddress: 2 } });
    await using viewer = await Viewer.connect(gateway.url);
    const publisher = new WebSocket(`${gateway.url.replace('http', 'ws')}/streams/main/publish`, PROTOCOL);
    await once(publisher, 'open');
    await using refused = await Viewer.connect(gateway.url);
    expect(await refused.closed).toMatchObject({ code: closeCode.tooMuch });
    await using other = await Viewer.connect(gateway.url, 'main', from('192.0.2.2'));
    await other.hello();
    await viewer.hello();
    await using next = await Viewer.connect(gateway.url);
    await next.hello();
    publisher.terminate();
  });

  it('releases every share when a connection ends in any way', async () => {
    await using gateway = await setUp({ viewers: { inAll: 2, perAddress: 1 }, greetings: { inAll: 1, perAddress: 1 } });
    const ways: ((viewer: Viewer) => void)[] = [
      (viewer) => viewer.socket.terminate(),
      (viewer) => viewer.socket.close(),
      (viewer) => viewer.socket.send('text'),
      (viewer) => viewer.socket.send(new Uint8Array(5000)),
      (viewer) => viewer.sendHello({ port: 1 }),
    ];
    for (const afterHello of [false, true]) {
      for (const end of ways) {
        await using viewer = await Viewer.connect(gateway.url);
        if (afterHello) await viewer.hello();
        const [client] = gateway.webClients;
        end(viewer);
        await viewer.closed;
        await client?.closed;
      }
    }
    await using last = await Viewer.connect(gateway.url);
    await last.hello();
  });
});

describe('virtual ports of one address', () => {
  it('leaves half of the range to others while one address reconnects', async () => {
    await using gateway = await createGateway({ port: 0, virtualPorts: '6000-6019', ...TRUST_FORWARDED });
    const { url } = await gateway.listen();
    const base = url.slice(0, -1);
    for (let index = 0; index < 60; index += 1) {
      await using passing = await Viewer.connect(base);
      await passing.hello();
    }
    const innocent: Viewer[] = [];
    const ports = new Set<number | null>();
    for (let index = 0; index < 10; index += 1) {
      const viewer = await Viewer.connect(base, 'main', from('192.0.2.2'));
      innocent.push(viewer);
      ports.add((await viewer.hello()).port);
    }
    expect(ports.size).toBe(10);
    expect(ports).not.toContain(null);
    await using one = await Viewer.connect(base, 'main', from('192.0.2.2'));
    expect(await one.hello()).toMatchObject({
      port: null,
      spectatorReason: expect.stringContaining('its maximum') as string,
    });
    for (const viewer of innocent) await viewer[Symbol.asyncDispose]();
  });

  it('closes a viewer that requests a certain port beyond the share of its address', async () => {
    await using gateway = await createGateway({ port: 0, virtualPorts: '6000-6008', ...TRUST_FORWARDED });
    const { url } = await gateway.listen();
    const viewers = await Promise.all(Array.from({ length: 8 }, () => Viewer.connect(url.slice(0, -1))));
    for (const [index, viewer] of viewers.entries()) expect(await viewer.hello()).toMatchObject({ port: 6000 + index });
    await using wanting = await Viewer.connect(url.slice(0, -1));
    wanting.sendHello({ port: 6008 });
    expect(await wanting.closed).toMatchObject({ code: closeCode.tooMuch });
    await using other = await Viewer.connect(url.slice(0, -1), 'main', from('192.0.2.2'));
    expect(await other.hello({ port: 6008 })).toMatchObject({ port: 6008 });
    for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
  });
});

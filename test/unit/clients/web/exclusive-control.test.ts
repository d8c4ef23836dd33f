import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { DEFAULT_STREAM_POLICY } from '../../../../gateway/hub/stream.ts';
import { type ControlMessage, encodeMessage, feature, type Hello, type Returned } from '../../../../shared/protocol.ts';
import { createHttpApp, type HttpApp } from '../../../helpers/http-app.ts';
import { takeJson } from '../../../helpers/take-json.ts';
import { JPEG, Viewer } from '../../../helpers/viewer.ts';

async function setUp(control: 'shared' | 'exclusive' = 'exclusive'): Promise<HttpApp> {
  const http = await createHttpApp({ stream: { policy: { ...DEFAULT_STREAM_POLICY, control } } });
  await http.app.ready();
  return http;
}

async function open({ app }: HttpApp): Promise<Viewer> {
  let viewer: Viewer | undefined;
  await app.injectWS(
    '/streams/main/ws',
    {
      socket: { remoteAddress: '127.0.0.1' } as Socket,
      rawHeaders: [],
      headers: { host: '127.0.0.1:8080', 'sec-websocket-protocol': 'gearway.v1' },
    },
    { onInit: (socket) => (viewer = new Viewer(socket)) },
  );
  if (viewer === undefined) throw new Error('no socket was created');
  return viewer;
}

async function connect(http: HttpApp, hello: Omit<Hello, 'type'> = {}): Promise<Viewer> {
  const viewer = await open(http);
  await viewer.hello({ features: [feature.control], ...hello });
  return viewer;
}

async function act(viewer: Viewer, fields: Omit<ControlMessage, 'type' | 'id'>): Promise<Returned> {
  viewer.socket.send(encodeMessage({ type: 'control', id: 9, ...fields }));
  return viewer.until('returned');
}

const ACCEPTED = { type: 'returned', id: 9, accepted: true };

describe('WebClient of a stream with exclusive control', () => {
  it('is handed over between viewers, survives the loss of the driver, and counts refused data', async () => {
    await using http = await setUp();
    await using driver = await connect(http, { name: 'front-desk' });
    await using second = await connect(http, { name: 'lab' });
    await using third = await connect(http);
    expect(await act(driver, { action: 'take' })).toEqual(ACCEPTED);
    expect(await second.next('controller')).toMatchObject({ port: 6000, name: 'front-desk' });
    driver.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: { x: 1 } } });
    expect(await driver.until('returned')).toMatchObject({ id: 1, accepted: true });
    second.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: { x: 2 } } });
    expect(await second.until('returned')).toMatchObject({ accepted: false, code: 'no-control' });
    expect(JSON.parse(takeJson(http.stream.returns))).toEqual({ 6000: { x: 1 }, 6001: null, 6002: null });

    expect(await act(second, { action: 'request' })).toEqual(ACCEPTED);
    expect(await driver.until('controller')).toMatchObject({ requests: [{ port: 6001, name: 'lab' }] });
    expect(await act(driver, { action: 'hand-over', port: 6001 })).toEqual(ACCEPTED);
    expect(await third.until('controller')).toMatchObject({ port: 6000 });
    expect(await third.until('controller')).toMatchObject({ port: 6001 });
    expect(JSON.parse(takeJson(http.stream.returns))).toEqual({ 6000: null, 6001: null, 6002: null });

    second.send({ type: 'return', id: 2, mode: 'sticky', body: { kind: 'value', value: { x: 2 } } });
    expect(await second.until('returned')).toMatchObject({ accepted: true });
    second.socket.terminate();
    await second.closed;
    expect(await third.until('controller')).toMatchObject({ port: null, requests: [] });
    expect(JSON.parse(takeJson(http.stream.returns))).toEqual({ 6000: null, 6002: null });
    expect(await act(third, { action: 'take' })).toEqual(ACCEPTED);
    const status = http.stream.status({ kind: '', address: '', state: '', lastError: null, restarts: 0 });
    expect(status.control).toMatchObject({ port: 6002, client: 'web-3', refused: 1 });
    expect(status.counters.returnsRejected).toBe(1);
  });

  it('does not give control back to a viewer that reconnects', async () => {
    await using http = await setUp();
    await using driver = await connect(http);
    await act(driver, { action: 'take' });
    driver.socket.terminate();
    await driver.closed;
    await using again = await open(http);
    expect((await again.hello()).control).toEqual({ port: null, name: '' });
  });

  it('refuses a picture before it is decoded', async () => {
    await using http = await setUp();
    await using viewer = await connect(http);
    expect(await viewer.return({ kind: 'jpeg', data: JPEG })).toMatchObject({ accepted: false, code: 'no-control' });
    await act(viewer, { action: 'take' });
    viewer.send({ type: 'return', id: 2, mode: 'sticky', body: { kind: 'jpeg', data: JPEG } });
    expect(await viewer.until('returned')).toMatchObject({ accepted: true });
  });

  it('drops a picture whose viewer loses control while it is decoded', async () => {
    await using http = await setUp();
    await using viewer = await connect(http);
    await act(viewer, { action: 'take' });
    viewer.send({ type: 'return', id: 2, mode: 'sticky', body: { kind: 'jpeg', data: JPEG } });
    expect(await act(viewer, { action: 'release' })).toMatchObject({ accepted: true });
    expect(await viewer.until('returned')).toMatchObject({ id: 2, accepted: false, code: 'no-control' });
    expect(JSON.parse(takeJson(http.stream.returns))).toEqual({ 6000: null });
  });

  it('sends nothing about control to a viewer that does not support it', async () => {
    await using http = await setUp();
    await using old = await connect(http, { features: [] });
    await using viewer = await connect(http);
    await act(viewer, { action: 'take' });
    await using later = await open(http);
    // Unknown fields of a welcome are ignored.
    expect((await later.hello({ features: [] })).control).toEqual({ port: 6001, name: '' });
    expect(await old.settled()).toEqual([]);
    expect(await old.return({ kind: 'value', value: 1 })).toMatchObject({ code: 'no-control' });
  });

  it('has no control on a stream that is shared', async () => {
    await using http = await setUp('shared');
    await using viewer = await open(http);
    expect(await viewer.hello({ features: [feature.control] })).not.toHaveProperty('control');
    expect(await act(viewer, { action: 'take' })).toMatchObject({ accepted: false, code: 'control-shared' });
    expect(await viewer.settled()).toEqual([]);
    expect(await viewer.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: true });
  });

  it.each([
    ['take', 'no-port'],
    ['release', undefined],
  ] as const)('answers a spectator that sends %s', async (action, code) => {
    await using http = await setUp();
    await using viewer = await connect(http, { spectate: true });
    const { code: answered } = await act(viewer, { action });
    expect(answered).toBe(code);
  });
});

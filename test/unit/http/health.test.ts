import { describe, expect, it, vi } from 'vitest';
import { createGateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { createHttpApp, type HttpApp } from '../../helpers/http-app.ts';
import { JPEG } from '../../helpers/viewer.ts';

const down = (app: HttpApp): Promise<{ status: number; body: Record<string, unknown> }> =>
  app.app.inject('/readyz').then((answer) => ({ status: answer.statusCode, body: answer.json() }));

describe('GET /readyz', () => {
  it('is 200 while all sources deliver, and 503 with the reason while one does not', async () => {
    await using http = await createHttpApp({ sourceKind: 'ffmpeg' });
    expect(await down(http)).toEqual({
      status: 503,
      body: {
        code: 'not-ready',
        message: '1 of 1 source is down: main (ffmpeg): no frame yet',
        down: [{ stream: 'main', kind: 'ffmpeg', reason: 'no frame yet' }],
      },
    });
    http.stream.publish({
      width: 8,
      height: 8,
      encoding: { kind: 'jpeg' },
      payload: JPEG,
      message: null,
      wireHeader: null,
      capturedAtUs: null,
    });
    expect(await down(http)).toEqual({ status: 200, body: { status: 'ready', streams: 1 } });
    http.stream.interrupted('the camera has closed the connection');
    expect(await down(http)).toMatchObject({
      status: 503,
      body: { down: [{ reason: 'the camera has closed the connection' }] },
    });
  });

  it('reports only the number without the right to view', async () => {
    await using http = await createHttpApp({ sourceKind: 'ffmpeg', access: { token: 'secret' } });
    expect(await down(http)).toEqual({ status: 503, body: { code: 'not-ready', message: '1 of 1 source is down' } });
    const answer = await http.app.inject({ url: '/readyz', headers: { authorization: 'Bearer secret' } });
    expect(answer.json()).toMatchObject({ code: 'not-ready', down: [{ stream: 'main' }] });
  });

  it('reads the state at most four times per second, because reading it costs more with each client', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      await using http = await createHttpApp({ sourceKind: 'ffmpeg', access: { token: 'secret' } });
      const status = vi.spyOn(http.stream, 'status');
      for (let count = 0; count < 50; count += 1) expect((await down(http)).status).toBe(503);
      expect(status).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(250);
      await down(http);
      expect(status).toHaveBeenCalledTimes(2);
      vi.advanceTimersByTime(250);
      await Promise.all(Array.from({ length: 20 }, () => down(http)));
      expect(status).toHaveBeenCalledTimes(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it('does not wait for publishers', async () => {
    await using http = await createHttpApp();
    expect((await down(http)).status).toBe(200);
  });
});

describe('the right of GET /metrics', () => {
  const get = async (options: GatewayOptions, headers: Record<string, string> = {}): Promise<number> => {
    await using gateway = await createGateway({ port: 0, ...options });
    const { url } = await gateway.listen();
    return (await fetch(`${url}metrics`, { headers })).status;
  };

  it('is view by default: this machine without a token, otherwise any token that may view, which may be sent as a password', async () => {
    expect(await get({})).toBe(200);
    expect(await get({}, { 'x-forwarded-for': '192.0.2.1' })).toBe(401);
    const tokens = { token: 'secret', viewToken: 'watch', publishToken: 'send' };
    expect(await get(tokens)).toBe(401);
    expect(await get(tokens, { authorization: 'Bearer watch' })).toBe(200);
    expect(await get(tokens, { authorization: `Basic ${btoa('prometheus:watch')}` })).toBe(200);
    expect(await get(tokens, { authorization: 'Bearer send' })).toBe(403);
  });

  it('can be administer or none', async () => {
    expect(
      await get({ metricsRight: 'administer', token: 'secret', viewToken: 'watch' }, { authorization: 'Bearer watch' }),
    ).toBe(403);
    expect(
      await get(
        { metricsRight: 'administer', token: 'secret', viewToken: 'watch' },
        { authorization: 'Bearer secret' },
      ),
    ).toBe(200);
    expect(await get({ metricsRight: 'public', token: 'secret' })).toBe(200);
    await expect(createGateway({ metricsRight: 'anyone' as 'public' })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });
});

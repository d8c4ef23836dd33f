import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { networkUrls } from '../../../gateway/http/network-urls.ts';
import type { GatewayStatus } from '../../../shared/status.ts';
import { readCertificate } from '../../helpers/certificate.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

interface Started extends Gateway {
  readonly url: string;
  readonly lines: string[];
}

async function start(options: GatewayOptions = {}): Promise<Started> {
  const lines: string[] = [];
  const gateway = await createGateway({ port: 0, log: (line) => void lines.push(line), ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1), lines });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly code: string | null;
}

async function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const outgoing = request(url, { headers, method }).end();
  const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
  const body = await text(response);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    code: body.startsWith('{') ? (JSON.parse(body) as { code: string }).code : null,
  };
}

/** The complete response to these bytes until the gateway ends the connection. */
async function send(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}

const SITE = { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };

describe('several Host headers', () => {
  it.each(['/api/streams', '/', '/gearway-viewer.js', '/nothing'])('are refused at %s', async (path) => {
    await using gateway = await start();
    const host = `Host: 127.0.0.1:${new URL(gateway.url).port}\r\n`;
    for (const headers of [`${host}Host: evil.example\r\n`, `Host: evil.example\r\n${host}`, `${host}hOST:\r\n`])
      expect(await send(gateway.url, `GET ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 400 /,
      );
  });
});

describe('a foreign Host', () => {
  it('is answered with 421, as JSON or as a page, and with the options that allow it', async () => {
    await using gateway = await start();
    const json = await ask(`${gateway.url}/`, { host: 'cams.example.org' });
    expect(json).toMatchObject({ status: 421, code: 'host-unknown' });
    const page = await ask(`${gateway.url}/viewer`, { host: 'cams.example.org:8443', accept: HTML });
    expect(page).toMatchObject({ status: 421, headers: { 'content-type': 'text/html; charset=utf-8' } });
    for (const body of [json.body, page.body]) expect(body).toContain('--allow-host cams.example.org');
    expect(page.body).toContain('--public-url https://cams.example.org:8443/');
  });

  it('is neither in the page nor in the log if it is not a name', async () => {
    await using gateway = await start();
    for (const host of ['<script>alert(1)</script>', '"onload=x', 'a\tb', "x';--"]) {
      const page = await ask(`${gateway.url}/`, { host, accept: HTML });
      expect(page.status).toBe(421);
      expect(page.body).not.toContain(host);
    }
    expect(gateway.lines).toHaveLength(1);
    expect(gateway.lines.join()).not.toMatch(/script|onload|--/);
  });

  it('is reported with a message if it is missing, in HTTP/1.0 and 1.1', async () => {
    await using gateway = await start();
    for (const version of ['1.0', '1.1']) {
      const answer = await send(gateway.url, `GET /healthz HTTP/${version}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 421 /);
      expect(answer).toContain('"code":"host-unknown"');
      expect(answer).not.toContain('undefined');
    }
  });

  it('is logged once, and cannot fill the log with new names', async () => {
    await using gateway = await start();
    for (let count = 0; count < 3; count += 1) await ask(`${gateway.url}/`, { host: 'cams.example.org' });
    expect(gateway.lines).toEqual([expect.stringContaining('--allow-host cams.example.org')]);
    for (let number = 0; number < 100; number += 1) await ask(`${gateway.url}/`, { host: `a${number}.example` });
    expect(gateway.lines).toHaveLength(10);
  });
});

describe('--allow-host and --public-url', () => {
  it('make the gateway accept these names, and pages there', async () => {
    await using gateway = await start({ allowHosts: ['box.lan'], publicUrl: 'https://cams.example.org/cams' });
    for (const host of ['box.lan', 'box.lan:8080', 'cams.example.org', 'CAMS.example.org.:443'])
      expect(await ask(`${gateway.url}/healthz`, { host }), host).toMatchObject({ status: 200 });
    for (const [host, origin] of [
      ['box.lan', 'https://box.lan'],
      ['127.0.0.1:8080', 'https://cams.example.org'],
      ['cams.example.org', 'https://cams.example.org'],
    ] as const) {
      expect(await ask(`${gateway.url}/healthz`, { host, origin }), host).toMatchObject({ status: 200 });
    }
    expect(await ask(`${gateway.url}/healthz`, { host: 'other.example.org' })).toMatchObject({ status: 421 });
    expect(
      await ask(`${gateway.url}/healthz`, { host: 'cams.example.org', origin: 'http://cams.example.org' }),
    ).toMatchObject({ status: 403 });
    expect(await ask(`${gateway.url}/api/gateway`)).toMatchObject({
      status: 200,
      body: expect.stringContaining('"publicUrl":"https://cams.example.org/cams/","networkUrls":[]') as string,
    });
    expect(gateway.lines).toHaveLength(2);
  });

  it.each([
    ['https://cams.example.org/', false],
    [undefined, networkUrls({ address: '0.0.0.0', family: 'IPv4', port: 80 }, false).length > 0],
  ])('with the public address %s, contains addresses of this machine: %s', async (publicUrl, isNamed) => {
    await using gateway = await start({ host: '0.0.0.0', token: 'secret-secret', ...(publicUrl && { publicUrl }) });
    const { body } = await ask(`http://127.0.0.1:${new URL(gateway.url).port}/api/gateway`, {
      authorization: 'Bearer secret-secret',
    });
    const status = JSON.parse(body) as GatewayStatus;
    expect([status.publicUrl, status.networkUrls.length > 0]).toEqual([publicUrl ?? null, isNamed]);
  });
});

describe('a foreign origin', () => {
  const host = '127.0.0.1:8080'; // as from nginx without a setting for Host
  const origin = 'https://cams.example.org';

  it.each([
    ['--public-url', { ...SITE, origin, 'sec-fetch-site': 'same-origin' }, ['--public-url https://cams.example.org/']],
    [
      '--allow-origin',
      { ...SITE, origin, 'sec-fetch-site': 'cross-site' },
      ['--allow-origin https://cams.example.org'],
    ],
    [
      'both, if the browser does not report it',
      { origin },
      ['--public-url https://cams.example.org/', '--allow-origin https://cams.example.org'],
    ],
    [
      'allow-same-origin for a sandboxed frame',
      { ...SITE, origin: 'null', 'sec-fetch-site': 'cross-site' },
      ['allow-same-origin'],
    ],
    [
      'crossorigin for a request that hides its origin',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
      ['crossorigin'],
    ],
    ['no text that is not an origin', { origin: 'https://<b>.example' }, []],
  ])('is refused with 403, whose message contains %s', async (_name, headers, texts) => {
    await using gateway = await start();
    for (const path of [
      '/healthz',
      '/api/streams',
      '/streams/main/snapshot.jpg',
      '/streams/main/mjpeg',
      '/api/events',
    ]) {
      const { status, code, body, headers: answered } = await ask(gateway.url + path, { host, ...headers });
      expect({ status, code }, path).toEqual({ status: 403, code: 'origin-not-allowed' });
      expect(answered['access-control-allow-origin'], path).toBe('*');
      for (const part of texts) expect(body).toContain(part);
      expect(body).not.toContain('<b>');
    }
    expect(gateway.lines).toHaveLength(1);
  });

  it('is refused at WebSockets and when it posts', async () => {
    await using gateway = await start({ source: 'push:' });
    for (const path of ['ws', 'publish']) {
      const answer = await send(
        gateway.url,
        `GET /streams/main/${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect(
      await ask(`${gateway.url}/streams/main/frames`, { host, origin, 'content-type': 'image/jpeg' }, 'POST'),
    ).toMatchObject({ status: 403 });
    expect(await ask(`${gateway.url}/healthz`, { host, origin }, 'OPTIONS')).toMatchObject({ status: 403 });
    expect(await ask(`${gateway.url}/healthz`, { host, origin: `http://${host}` }, 'OPTIONS')).toMatchObject({
      status: 204,
    });
  });

  it('can still load every built file, which contain nothing confidential', async () => {
    await using gateway = await start();
    const pages = await Promise.all(['', 'viewer', 'publish'].map((name) => ask(`${gateway.url}/${name}`, { host })));
    const files = pages.flatMap(({ body }) =>
      [...body.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, file]) => file!),
    );
    expect(files.length).toBeGreaterThan(3);
    for (const file of ['', 'viewer', 'publish', 'gearway-worker.js', 'gearway-viewer-session.js.map', ...files]) {
      expect(await ask(`${gateway.url}/${file}`, { host, origin }), file).toMatchObject({
        status: 200,
        headers: { 'access-control-allow-origin': '*' },
      });
      expect(
        await ask(`${gateway.url}/${file}`, { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }),
        file,
      ).toMatchObject({ status: 200, headers: { 'cross-origin-resource-policy': 'cross-origin' } });
    }
  });
});

describe('a frame of an unlisted page', () => {
  it('gets the reason, which any site may frame; a listed one gets the page', async () => {
    await using gateway = await start({ allowOrigins: ['https://good.example'] });
    const frame = {
      accept: HTML,
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'iframe',
    };
    const refused = await ask(`${gateway.url}/viewer`, { ...frame, referer: 'https://evil.example/' });
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('--allow-origin https://evil.example');
    expect(refused.headers['content-security-policy']).not.toContain('frame-ancestors');
    const allowed = await ask(`${gateway.url}/viewer`, { ...frame, referer: 'https://good.example/' });
    expect(allowed.status).toBe(200);
    expect(allowed.headers['content-security-policy']).toContain("frame-ancestors 'self' https://good.example");
    expect(gateway.lines).toHaveLength(1);
  });
});

describe('a WebSocket whose Upgrade a proxy has dropped', () => {
  it('is answered with 426 and logged', async () => {
    await using gateway = await start();
    const handshake = {
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      origin: gateway.url,
    };
    expect(await ask(`${gateway.url}/streams/main/ws`, handshake)).toMatchObject({
      status: 426,
      code: 'upgrade-required',
    });
    expect(await ask(`${gateway.url}/streams/main/publish`, handshake)).toMatchObject({ status: 426 });
    expect(gateway.lines).toHaveLength(1);
  });
});

describe('--trust-proxy', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.7' };
  const addressOf = async (gateway: Started, headers: Record<string, string>): Promise<string | undefined> => {
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`, {}, headers);
    await viewer.welcome;
    return gateway.stream.clients.at(-1)?.address;
  };

  it.each<[string, GatewayOptions, Record<string, string>, string]>([
    ['counts from a trusted proxy', { trustProxies: ['loopback'] }, forwarded, '203.0.113.7'],
    ['counts from a trusted range', { trustProxies: ['10.0.0.0/8', '127.0.0.0/8'] }, forwarded, '203.0.113.7'],
    [
      'skips proxies that are trusted as well',
      { trustProxies: ['loopback', '10.0.0.0/8'] },
      { 'x-forwarded-for': '198.51.100.1, 203.0.113.7, 10.1.1.1' },
      '203.0.113.7',
    ],
    [
      'does not count from the client itself',
      { trustProxies: ['127.0.0.1'] },
      { 'x-forwarded-for': '192.168.1.1, 203.0.113.7' },
      '203.0.113.7',
    ],
    ['loses its port', { trustProxies: ['loopback'] }, { 'x-forwarded-for': '203.0.113.7:4711' }, '203.0.113.7'],
    ['loses its brackets', { trustProxies: ['loopback'] }, { 'x-forwarded-for': '[2001:DB8::7]:4711' }, '2001:db8::7'],
    [
      'is IPv4 in dotted notation',
      { trustProxies: ['loopback'] },
      { 'x-forwarded-for': '::ffff:203.0.113.7' },
      '203.0.113.7',
    ],
    ['is an address or nothing', { trustProxies: ['loopback'] }, { 'x-forwarded-for': '<script>' }, '127.0.0.1'],
    ['is not unknown', { trustProxies: ['loopback'] }, { 'x-forwarded-for': 'unknown' }, '127.0.0.1'],
    ['does not count from others', { trustProxies: ['10.0.0.0/8'] }, forwarded, '127.0.0.1'],
    ['does not count without --trust-proxy', {}, forwarded, '127.0.0.1'],
  ])('the address in X-Forwarded-For %s', async (_name, options, headers, expected) => {
    await using gateway = await start({ insecure: true, ...options });
    expect(await addressOf(gateway, headers)).toBe(expected);
  });

  it('uses X-Forwarded-Host for the origin of a page, and only from that proxy', async () => {
    const reached = {
      host: '127.0.0.1:8080',
      origin: 'https://box.lan',
      'x-forwarded-host': 'box.lan',
      'x-forwarded-proto': 'https',
    };
    await using trusting = await start({ insecure: true, trustProxies: ['loopback'], allowHosts: ['box.lan'] });
    expect(await ask(`${trusting.url}/api/streams`, reached)).toMatchObject({ status: 200 });
    expect(
      await ask(`${trusting.url}/api/streams`, {
        ...reached,
        'x-forwarded-host': 'evil.example',
        origin: 'https://evil.example',
      }),
    ).toMatchObject({ status: 421 });
    await using other = await start({ trustProxies: ['10.0.0.0/8'], allowHosts: ['box.lan'] });
    expect(await ask(`${other.url}/api/streams`, reached)).toMatchObject({ status: 403 });
  });

  it('never accepts a foreign Host, because scripts can set X-Forwarded-Host', async () => {
    await using gateway = await start({ trustProxies: ['loopback'] });
    expect(
      await ask(`${gateway.url}/api/streams`, { host: 'evil.example', 'x-forwarded-host': 'localhost' }),
    ).toMatchObject({ status: 421 });
  });
});

describe('security headers', () => {
  const expected = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': expect.stringMatching(
      /^default-src '(self|none)'; .*base-uri 'none'; form-action 'none'/,
    ) as unknown,
    'permissions-policy': expect.stringContaining('camera=(self)') as unknown,
  };

  it('are in every response, regardless of the component that sends it', async () => {
    await using gateway = await start({ token: 's' });
    const paths: [string, Record<string, string>, number, string?][] = [
      ['/', {}, 200],
      ['/viewer', {}, 200],
      ['/publish', {}, 200],
      ['/gearway-viewer.js', {}, 200],
      ['/healthz', {}, 200],
      ['/api/streams', {}, 401],
      ['/api/streams', { authorization: 'Bearer s' }, 200],
      ['/api/streams/no', { authorization: 'Bearer s' }, 404],
      ['/api/streams/main/clients', { authorization: 'Bearer s', 'content-type': 'application/json' }, 400, 'POST'],
      ['/streams/main/snapshot.jpg', { authorization: 'Bearer s' }, 503],
      ['/nothing', {}, 404],
      ['/nothing', { accept: HTML }, 404],
      ['/nothing', {}, 404, 'DELETE'],
      ['/%', {}, 400],
      ['/%c0', { accept: HTML }, 400],
      ['/api/streams/%ff', {}, 400],
      ['/', { host: 'evil.example' }, 421],
      ['/healthz', { origin: 'https://evil.example' }, 403],
      ['/healthz', { origin: gateway.url }, 204, 'OPTIONS'],
    ];
    for (const [path, headers, status, method] of paths) {
      const answer = await ask(gateway.url + path, headers, method);
      expect(answer, `${path} ${JSON.stringify(headers)}`).toMatchObject({ status, headers: expected });
      if (status >= 400 && !('accept' in headers))
        expect(JSON.parse(answer.body), path).toEqual({
          code: expect.any(String) as unknown,
          message: expect.any(String) as unknown,
        });
    }
    // Node answers these before they reach our code as requests.
    for (const bytes of ['no HTTP\r\n\r\n', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`])
      expect(await send(gateway.url, bytes)).toMatch(/^x-content-type-options: nosniff\r$/im);
  });

  it('forbid everything on a refusal except its own style', async () => {
    await using gateway = await start();
    const { headers, body } = await ask(`${gateway.url}/`, { host: 'evil.example', accept: HTML });
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; img-src data:; style-src 'sha256-[\w+/]+='; base-uri 'none'; form-action 'none'$/,
    );
    expect(body).not.toMatch(/<script|src=|href=(?!"data:,")|style="/);
  });

  it('isolate the page only where browsers support it, and require TLS only for our names over TLS', async () => {
    await using plain = await start({ allowHosts: ['box.lan'] });
    expect((await ask(`${plain.url}/`)).headers['cross-origin-opener-policy']).toBe('same-origin');
    expect((await ask(`${plain.url}/`, { host: 'box.lan' })).headers).not.toHaveProperty('cross-origin-opener-policy');
    expect((await ask(`${plain.url}/`, { host: 'box.lan' })).headers).not.toHaveProperty('strict-transport-security');
    await using secure = await start({ tls: readCertificate(), allowHosts: ['box.lan'] });
    const { port } = new URL(secure.url);
    const https = async (host: string): Promise<Headers> => {
      const { request: ask } = await import('node:https');
      const outgoing = ask({ host: '127.0.0.1', port, rejectUnauthorized: false, headers: { host } }).end();
      const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
      response.resume();
      return new Headers(response.headers as Record<string, string>);
    };
    expect((await https('box.lan')).get('strict-transport-security')).toBe('max-age=15552000');
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      expect((await https(host)).has('strict-transport-security'), host).toBe(false);
    expect((await https('box.lan')).get('cross-origin-opener-policy')).toBe('same-origin');
  });
});

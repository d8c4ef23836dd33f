import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type ConnectionLimits,
  createHttpServer,
  DEFAULT_CONNECTION_LIMITS,
  listenOnAllOfLocalhost,
} from '../../../gateway/http/http-server.ts';
import type { ShareLimits } from '../../../gateway/hub/shares.ts';
import { exemptFromTimeout } from '../../../gateway/connection/request-timeout.ts';
import { readCertificate } from '../../helpers/certificate.ts';
import { RawPeer } from '../../helpers/raw-peer.ts';

interface Running extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
  connect(): Promise<RawPeer>;
}

async function run(
  handler: RequestListener,
  limits: Partial<ConnectionLimits> = {},
  { tls = false, connections }: { readonly tls?: boolean; readonly connections?: ShareLimits } = {},
): Promise<Running> {
  const certificate = tls ? readCertificate() : null;
  const server = createHttpServer(handler, {
    tls: certificate,
    limits: { ...DEFAULT_CONNECTION_LIMITS, ...limits },
    onUpgrade: (_request, socket) => socket.destroy(),
    isTrustedProxy: () => false,
    ...(connections === undefined ? {} : { connections }),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = `http${tls ? 's' : ''}://127.0.0.1:${port}`;
  return {
    server,
    url,
    connect: () => RawPeer.connect(url, certificate?.cert),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const answerOk: RequestListener = (_request, response) => response.end('ok');
const readAndAnswer: RequestListener = (request, response) => {
  request.resume();
  request.once('end', () => response.end('ok'));
};

/** Writes while the peer reads, up to 100 MiB per second. */
const flood: RequestListener = (_request, response) => {
  const chunk = Buffer.alloc(1 << 20);
  const write = (): void => {
    if (response.destroyed) return;
    if (response.write(chunk)) setTimeout(write, 10);
    else response.once('drain', () => setTimeout(write, 10));
  };
  write();
};

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** Status and code of each received response. */
function refusals(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+)[^{]*(?:\{"code":"([a-z-]+)","message":"[^"]+"\})?/g)].map(
    ([, status, code]) => `${status} ${code}`,
  );
}

// A TLS handshake counts towards the timeout of the headers.
describe.each([
  { tls: false, headersTimeoutMs: 300 },
  { tls: true, headersTimeoutMs: 1500 },
])('createHttpServer: timeouts, TLS $tls', ({ tls, headersTimeoutMs }) => {
  // Each test shortens one timeout and keeps the defaults of the others, so that only the tested one can expire.
  it('answers 408 when the headers are not complete in time', async () => {
    await using running = await run(answerOk, { headersTimeoutMs }, { tls });
    for (const bytes of ['', 'GET / HT', 'GET / HTTP/1.1\r\nHost: local']) {
      await using peer = await running.connect();
      peer.send(bytes);
      expect(refusals(await peer.ended()), bytes).toEqual(['408 request-timeout']);
    }
  });

  it('allows more time for a body than for headers', async () => {
    await using running = await run(readAndAnswer, { headersTimeoutMs, requestTimeoutMs: 2500 }, { tls });
    await using peer = await running.connect();
    const from = performance.now();
    peer.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345');
    expect(refusals(await peer.ended())).toEqual(['408 request-timeout']);
    expect(performance.now() - from).toBeGreaterThan(2400);
  });

  it('does not limit the duration of an exempt body', async () => {
    let endExemption: () => void = () => undefined;
    await using running = await run(
      (request, response) => {
        endExemption = exemptFromTimeout(request.socket);
        readAndAnswer(request, response);
      },
      { headersTimeoutMs, requestTimeoutMs: headersTimeoutMs, stallTimeoutMs: 200 },
      { tls },
    );
    await using peer = await running.connect();
    await using other = await running.connect();
    peer.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345');
    // Both timeouts have passed for a request that is not exempt.
    other.send('GET /');
    await other.ended();
    await using stalled = await running.connect();
    stalled.send('GET /');
    await stalled.ended();
    peer.send('67890');
    await peer.receive('ok');
    expect(peer.text).toContain('200 OK');
    endExemption();
  });

  it('closes an idle connection', async () => {
    await using running = await run(answerOk, { keepAliveTimeoutMs: 200 }, { tls });
    await using peer = await running.connect();
    peer.send(GET);
    expect(await peer.ended()).toContain('200 OK');
  });

  it('does not end a response without pending data', async () => {
    let answer: () => void = () => undefined;
    await using running = await run(
      (_request, response) => (answer = () => response.end('late')),
      { stallTimeoutMs: 200 },
      { tls },
    );
    await using peer = await running.connect();
    const timedOut = once(running.server, 'timeout');
    peer.send(GET);
    await timedOut;
    answer();
    await peer.receive('late');
    expect(peer.text).toContain('late');
  });

  it('disconnects only peers that do not read', async () => {
    await using running = await run(flood, { stallTimeoutMs: 500 }, { tls });
    let gone = 0;
    running.server.on('request', (_request, response) => response.once('close', () => (gone += 1)));
    await using reader = await running.connect();
    reader.send(GET);
    await using stuck = await running.connect();
    stuck.pause();
    stuck.send(GET);
    await expect.poll(() => gone, { timeout: 8000 }).toBe(1);
    expect(reader.bytes).toBeGreaterThan(0);
    reader.close();
    await expect.poll(() => gone, { timeout: 8000 }).toBe(2);
  });
});

it('ends a TLS connection without a handshake', async () => {
  await using running = await run(answerOk, { headersTimeoutMs: 500 }, { tls: true });
  await using peer = await RawPeer.connect(running.url.replace('https', 'http'));
  await peer.ended();
  await using plain = await RawPeer.connect(running.url.replace('https', 'http'));
  plain.send(GET);
  await plain.ended();
});

describe('createHttpServer: one connection', () => {
  it('accepts at most 16 waiting requests', async () => {
    let handled = 0;
    await using running = await run(() => (handled += 1));
    await using within = await running.connect();
    within.send(GET.repeat(16));
    await expect.poll(() => handled).toBe(16);
    await using beyond = await running.connect();
    beyond.send(GET.repeat(1000));
    await beyond.ended();
    expect(handled).toBe(32);
    expect(within.hasEnded).toBe(false);
  });

  it('serves any number of requests one after the other', async () => {
    await using running = await run(answerOk);
    await using peer = await running.connect();
    for (let count = 1; count <= 40; count += 1) {
      peer.send(GET);
      await expect.poll(() => peer.text.match(/200 OK/g)?.length).toBe(count);
    }
  });

  it.each(['close', 'reset'] as const)('closes every response that waits when the peer ends with a %s', async (end) => {
    const events: string[] = [];
    let count = 0;
    await using running = await run((_request, response) => {
      count += 1;
      const id = count;
      response.once('close', () => events.push(`closed ${id}`));
    });
    await using peer = await running.connect();
    peer.send(GET.repeat(5));
    await expect.poll(() => count).toBe(5);
    peer[end]();
    await expect.poll(() => events.toSorted()).toEqual(['closed 1', 'closed 2', 'closed 3', 'closed 4', 'closed 5']);
  });

  it('closes every waiting response when an upgrade ends the connection', async () => {
    let closed = 0;
    await using running = await run((_request, response) => response.once('close', () => (closed += 1)));
    for (const request of [
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    ]) {
      closed = 0;
      await using peer = await running.connect();
      peer.send(GET.repeat(3) + request);
      expect(await peer.ended()).toBe('');
      await expect.poll(() => closed).toBe(3);
    }
  });

  it('never writes a response into another one', async () => {
    await using running = await run((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half');
    });
    await using peer = await running.connect();
    peer.send(GET);
    await peer.receive('half');
    peer.send('no request\r\n\r\n');
    expect(refusals(await peer.ended())).toEqual(['200 undefined']);
  });
});

describe('createHttpServer: shares of connections', () => {
  /** Whether each of `count` connections is answered. */
  async function answered(isTrustedProxy: boolean, count: number): Promise<boolean[]> {
    const server = createHttpServer(answerOk, {
      tls: null,
      limits: DEFAULT_CONNECTION_LIMITS,
      onUpgrade: (_request, socket) => socket.destroy(),
      isTrustedProxy: () => isTrustedProxy,
      connections: { inAll: 4, perAddress: 2 },
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const peers: RawPeer[] = [];
    for (let index = 0; index < count; index += 1) {
      const peer = await RawPeer.connect(`http://127.0.0.1:${port}`);
      peer.send(GET);
      await peer.receive('ok');
      peers.push(peer);
    }
    for (const peer of peers) peer.close();
    server.close();
    await once(server, 'close');
    return peers.map(({ text }) => text.endsWith('ok'));
  }

  it('ends the connections of an address beyond its share', async () => {
    expect(await answered(false, 3)).toEqual([true, true, false]);
  });

  it('allows a trusted proxy all connections', async () => {
    expect(await answered(true, 5)).toEqual([true, true, true, true, false]);
  });

  it('reuses the share of a connection that has ended', async () => {
    await using running = await run(answerOk, {}, { connections: { inAll: 1, perAddress: 1 } });
    for (let round = 0; round < 3; round += 1)
      expect(await (await fetch(running.url, { headers: { connection: 'close' } })).text()).toBe('ok');
  });
});

describe('createHttpServer: refusals', () => {
  it.each([
    ['bytes that are not HTTP', 'HELLO\r\n\r\n', '400 request-invalid'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '400 request-invalid'],
    [
      'headers that are too long',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`,
      '431 too-large',
    ],
    [
      'an expectation',
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: tea\r\n\r\n',
      '417 request-invalid',
    ],
    ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n', '405 request-invalid'],
  ])('answers %s', async (_name, bytes, expected) => {
    await using running = await run(answerOk);
    await using peer = await running.connect();
    peer.send(Buffer.from(bytes, 'latin1'));
    const text = await peer.ended();
    expect(refusals(text)).toEqual([expected]);
    expect(text).toMatch(/x-content-type-options: nosniff/i);
  });

  it('accepts Expect: 100-continue', async () => {
    await using running = await run(readAndAnswer);
    await using peer = await running.connect();
    peer.send(
      'POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    );
    await peer.receive('100 Continue');
    peer.send('ab');
    expect(await peer.ended()).toContain('200 OK');
  });
});

describe('listenOnAllOfLocalhost', () => {
  it('serves on each address of localhost, until the server closes', async () => {
    const addresses = await lookup('localhost', { all: true });
    const server = createHttpServer(answerOk, {
      tls: null,
      limits: DEFAULT_CONNECTION_LIMITS,
      onUpgrade: (_request, socket) => socket.destroy(),
      isTrustedProxy: () => false,
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
    await listenOnAllOfLocalhost(server);
    const { port } = server.address() as { port: number };
    for (const { address } of addresses) {
      const socket = connect(port, address);
      await once(socket, 'connect');
      socket.end(GET);
      const [data] = (await once(socket, 'data')) as [Buffer];
      expect(String(data)).toContain('200 OK');
      await once(socket, 'close');
    }
    server.close();
    await once(server, 'close');
  });
});

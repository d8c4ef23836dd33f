/**
 * The gateway releases all resources of a connection, whatever the peer sends and however the connection ends. Runs the
 * built command.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_SHARED_LIMITS } from '../../gateway/hub/shares.ts';
import { encodeMessage, PROTOCOL } from '../../shared/protocol.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { readCertificate } from '../helpers/certificate.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { RawPeer } from '../helpers/raw-peer.ts';
import { JPEG } from '../helpers/viewer.ts';

const CRLF = '\r\n';
const request = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, CRLF].join(CRLF);
const post = (path: string, body: string | Uint8Array, ...headers: string[]): Buffer =>
  Buffer.concat([Buffer.from(request(path, ...headers).replace('GET', 'POST')), Buffer.from(body)]);
const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  `Sec-WebSocket-Protocol: ${PROTOCOL}`,
];
const MULTIPART = 'Content-Type: multipart/x-mixed-replace; boundary=b';

/** A masked binary WebSocket frame (RFC 6455, section 5.2) of less than 65536 bytes; the mask is zero. */
function frame(payload: Uint8Array, { opcode = 2, isFinal = true, announced = payload.byteLength } = {}): Buffer {
  const head = Buffer.from([(isFinal ? 0x80 : 0) | opcode, 0xfe, announced >> 8, announced & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}
const HELLO = frame(encodeMessage({ type: 'hello' }));

/** Data that a peer sends, and the text of the answer that it waits for; null for no answer. */
type Case = readonly [name: string, bytes: readonly (string | Uint8Array)[], answer: string | null];

const CASES: readonly Case[] = [
  ['nothing', [], null],
  ['half a request line', ['GET /heal'], null],
  ['half the headers', ['GET /healthz HTTP/1.1\r\nHost: 127.0'], null],
  [
    'half a JSON body',
    [post('/api/streams/main/clients', '{"addr', 'Content-Type: application/json', 'Content-Length: 100')],
    null,
  ],
  [
    'half a picture',
    [
      post(
        '/streams/pushed/frames',
        JPEG.subarray(0, 100),
        'Content-Type: image/jpeg',
        `Content-Length: ${JPEG.byteLength}`,
      ),
    ],
    null,
  ],
  [
    'half a chunk of a picture',
    [post('/streams/pushed/frames', '64\r\nhalf', 'Content-Type: image/jpeg', 'Transfer-Encoding: chunked')],
    null,
  ],
  [
    'a running publication',
    [
      post(
        '/streams/pushed/frames',
        '--b\r\nContent-Type: image/jpeg\r\n\r\nhalf',
        MULTIPART,
        'Content-Length: 100000',
      ),
    ],
    null,
  ],
  [
    'an invalid chunk',
    [post('/streams/pushed/frames', 'zz\r\n', MULTIPART, 'Transfer-Encoding: chunked')],
    'HTTP/1.1 4',
  ],
  ['bytes that are not HTTP', ['\x16\x03\x01\x02\x00\x01'], 'HTTP/1.1 400'],
  ['no Host', ['GET / HTTP/1.1\r\n\r\n'], 'HTTP/1.1 421'],
  ['a URL that cannot be decoded', [request('/%')], 'HTTP/1.1 400'],
  ['ten URLs that cannot be decoded', [request('/%ff').repeat(10)], 'HTTP/1.1 400'],
  ['a page', [request('/')], 'HTTP/1.1 200'],
  ['a file that is not read', [request('/gearway-worker.js.map')], 'HTTP/1.1 200'],
  ['ten files in a pipeline', [request('/gearway-worker.js.map').repeat(10)], 'HTTP/1.1 200'],
  [
    'ten compressed files in a pipeline',
    [request('/gearway-worker.js', 'Accept-Encoding: gzip').repeat(10)],
    'HTTP/1.1 200',
  ],
  ['ten snapshots in a pipeline', [request('/streams/main/snapshot.png').repeat(10)], null],
  ['1500 snapshots in a pipeline', [request('/streams/main/snapshot.png').repeat(1500)], null],
  [
    'streams after one that does not end',
    [
      request('/streams/main/mjpeg') +
        request('/streams/main/mjpeg') +
        request('/api/events') +
        request('/gearway-viewer.js') +
        request('/streams/main/snapshot.jpg'),
    ],
    'image/jpeg',
  ],
  [
    'streams after an unfinished picture',
    [request('/streams/silent/snapshot.jpg') + request('/api/events').repeat(5)],
    null,
  ],
  ['MJPEG', [request('/streams/main/mjpeg')], 'image/jpeg'],
  ['events', [request('/api/events')], 'retry'],
  ['events with HEAD', [request('/api/events').replace('GET', 'HEAD')], 'HTTP/1.1 200'],
  [
    'Expect: 100-continue',
    [post('/streams/pushed/frames', '', 'Content-Type: image/jpeg', 'Content-Length: 100', 'Expect: 100-continue')],
    '100 Continue',
  ],
  ['another expectation', [request('/', 'Expect: tea')], 'HTTP/1.1 417'],
  ['CONNECT', ['CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n'], 'HTTP/1.1 405'],
  ['half a handshake', [request('/streams/main/ws', ...UPGRADE).slice(0, -10)], null],
  ['a WebSocket', [request('/streams/main/ws', ...UPGRADE)], '101 Switching'],
  ['a viewer', [request('/streams/main/ws', ...UPGRADE), HELLO], 'leaseKey'],
  [
    'a viewer within the header of a frame',
    [request('/streams/main/ws', ...UPGRADE), HELLO, Uint8Array.of(0x82)],
    'leaseKey',
  ],
  [
    'a viewer within a frame',
    [request('/streams/main/ws', ...UPGRADE), HELLO, frame(new Uint8Array(10), { announced: 1000 })],
    'leaseKey',
  ],
  [
    'a viewer between two fragments',
    [request('/streams/main/ws', ...UPGRADE), HELLO, frame(new Uint8Array(10), { isFinal: false })],
    'leaseKey',
  ],
  [
    'a viewer that breaks the protocol',
    [request('/streams/main/ws', ...UPGRADE), HELLO, Uint8Array.of(0xff, 0xff)],
    'leaseKey',
  ],
  [
    'a viewer whose hello comes with the handshake',
    [Buffer.concat([Buffer.from(request('/streams/main/ws', ...UPGRADE)), HELLO])],
    'leaseKey',
  ],
  ['a publisher', [request('/streams/pushed/publish', ...UPGRADE), HELLO], null],
  ['a WebSocket of an unknown stream', [request('/streams/nope/ws', ...UPGRADE)], '101 Switching'],
  ['an upgrade of a URL that cannot be decoded', [request('/%', 'Connection: Upgrade', 'Upgrade: x')], 'HTTP/1.1 400'],
  ['a handshake of a URL that cannot be decoded', [request('/%', ...UPGRADE)], 'HTTP/1.1 400'],
  ['a handshake of a URL without a route', [request('/nowhere', ...UPGRADE)], 'HTTP/1.1 404'],
  ['a handshake of another route', [request('/streams/main/mjpeg', ...UPGRADE)], 'HTTP/1.1 404'],
  [
    'an upgrade to HTTP/2',
    [request('/healthz', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')],
    'HTTP/1.1 400',
  ],
  ['a handshake with POST', [request('/streams/main/ws', ...UPGRADE).replace('GET', 'POST')], 'HTTP/1.1 400'],
  [
    'a handshake with half a body',
    [request('/streams/main/ws', ...UPGRADE, 'Content-Length: 100'), 'half'],
    'HTTP/1.1 400',
  ],
  ['a handshake after a file', [request('/gearway-viewer.js') + request('/streams/main/ws', ...UPGRADE)], null],
  ['a handshake after MJPEG', [request('/streams/main/mjpeg') + request('/streams/main/ws', ...UPGRADE)], null],
  ['a handshake during MJPEG', [request('/streams/main/mjpeg'), request('/streams/main/ws', ...UPGRADE)], null],
  [
    'CONNECT after ten files',
    [`${request('/gearway-viewer.js').repeat(10)}CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n`],
    null,
  ],
];

/** How a peer ends its connection, after `sent` (the bytes were written) or `answered` (a response has arrived). */
type End = (peer: RawPeer, turn: () => Promise<unknown>) => Promise<void> | void;
const ENDS: Readonly<Record<string, End>> = {
  close: (peer) => peer.close(),
  reset: (peer) => peer.reset(),
  // The gateway notices the end of one direction, and some time later that of the other.
  'half-close': async (peer, turn) => {
    await peer.halfClose();
    await turn();
    peer.close();
  },
  // The peer resets when its buffers are full or the response has ended.
  'stop reading': async (peer, turn) => {
    peer.pause();
    await turn();
    peer.reset();
  },
};

interface Census {
  readonly descriptors: number;
  /**
   * Connections of the gateway's port by state: `01` is established, `08` CLOSE-WAIT (Linux, include/net/tcp_states.h).
   */
  readonly connections: readonly string[];
  /** Number of taken ports, without those reserved for viewers that have left. */
  readonly portsTaken: number;
  readonly clients: readonly string[];
  readonly publisher: string;
}

// A leak of a single connection is detected. With TLS, each connection takes several milliseconds on both sides.
describe.each([
  { tls: false, connections: 8 },
  { tls: true, connections: 2 },
])('aborted connections, TLS $tls', ({ tls, connections: count }) => {
  const { cert } = readCertificate();
  let gateway: GatewayProcess;
  let url: string;
  let before: Census;
  let rssBeforeMiB: number;

  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      (tls ? getSecure : getPlain)(`${url}${path}`, { agent: false, ...(tls ? { ca: cert } : {}) }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });

  async function census(): Promise<Census> {
    const streams = JSON.parse(await ask('/api/streams')) as StreamStatus[];
    const { pid } = gateway.process;
    const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0');
    const connections = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      // Connections of the gateway: neither TIME-WAIT nor this process's own.
      .filter(
        ([, local = '', , state, , , , , , inode]) => local.endsWith(`:${port}`) && state !== '0A' && inode !== '0',
      )
      .map(([, , , state = '']) => state);
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      connections: connections.toSorted(),
      portsTaken: streams.reduce((sum, { ports }) => sum + ports.taken - ports.held.length, 0),
      clients: streams.flatMap(({ clients }) => clients.map(({ id }) => id)),
      publisher: streams.find(({ name }) => name === 'pushed')?.source.state ?? '',
    };
  }

  const rssMiB = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.process.pid}/status`, 'utf8'))?.[1]) / 1024;

  beforeAll(async () => {
    const [certFile = '', keyFile = ''] = ['cert', 'key'].map((name) =>
      fileURLToPath(new URL(`../helpers/certificate/${name}.pem`, import.meta.url)),
    );
    gateway = await GatewayProcess.start(
      '--source',
      'main=test-pattern:?size=320x240&fps=10',
      '--source',
      'pushed=push:',
      '--source',
      'silent=push:',
      '--virtual-ports',
      '6000-6999',
      ...(tls ? ['--tls-cert', certFile, '--tls-key', keyFile] : []),
    );
    url = await gateway.url;
    // Warm-up of everything that is created on first use: libraries, pictures, descriptors of the thread pool.
    for (let round = 0; round < 3; round += 1)
      await Promise.all(
        ['/streams/main/snapshot.png', '/streams/main/snapshot.jpg', '/gearway-worker.js.map', '/'].map(ask),
      );
    // Waits until the files and connections of the warm-up are closed as well.
    do {
      before = await census();
      await delay(500);
    } while (!isDeepStrictEqual(await census(), before));
    rssBeforeMiB = rssMiB();
  }, 60_000);
  afterAll(() => gateway[Symbol.asyncDispose](), 20_000);

  it.each(CASES)(
    'leave no resources in use: %s',
    async (_name, bytes, answer) => {
      for (const end of Object.values(ENDS)) {
        for (const isAnswered of answer === null ? [false] : [false, true]) {
          await Promise.all(
            Array.from({ length: count }, async () => {
              const peer = await RawPeer.connect(url, tls ? cert : undefined);
              for (const [index, part] of bytes.entries()) {
                // Each further part is sent after the answer to the previous one.
                if (index > 0) await peer.receive('\r\n\r\n');
                peer.send(part);
              }
              if (isAnswered) await peer.receive(answer ?? '');
              if (isAnswered && !peer.text.includes(answer ?? ''))
                throw new Error(`expected ${answer}, got ${JSON.stringify(peer.text.slice(0, 300))}`);
              await end(peer, () => ask('/healthz'));
              await peer.closed;
            }),
          );
        }
      }
      // Waits until everything has been released.
      await expect.poll(census, { timeout: 15_000, interval: 100 }).toEqual(before);
    },
    60_000,
  );

  it('do not increase the use of memory', () => {
    expect(rssMiB() - rssBeforeMiB).toBeLessThan(96);
  });

  it('do not reduce the number of event followers of their address', async () => {
    const peers = await Promise.all(
      Array.from({ length: DEFAULT_SHARED_LIMITS.eventFollowers.perAddress }, () =>
        RawPeer.connect(url, tls ? cert : undefined),
      ),
    );
    for (const peer of peers) peer.send(request('/api/events'));
    await Promise.all(peers.map((peer) => peer.receive('retry: 1000')));
    expect(peers.filter((peer) => peer.text.includes('retry: 1000'))).toHaveLength(
      DEFAULT_SHARED_LIMITS.eventFollowers.perAddress,
    );
    for (const peer of peers) peer.close();
    await expect.poll(census, { timeout: 15_000, interval: 100 }).toEqual(before);
  }, 30_000);
});

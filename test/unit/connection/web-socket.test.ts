import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  closeReason,
  closeWebSocket,
  meterInput,
  type WebSocket,
  webSocketOptions,
} from '../../../gateway/connection/web-socket.ts';

const PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
const PINGS = Buffer.concat(Array.from({ length: 20_000 }, () => PING));

interface Setup extends AsyncDisposable {
  /** The gateway's side. */
  readonly socket: WebSocket;
  /** Bytes that `meterInput` reported, and pings that ws parsed. */
  readonly counts: { bytes: number; pings: number };
  /** The peer's side of the connection, after the handshake. */
  readonly peer: ReturnType<typeof connect>;
}

async function setUp(): Promise<Setup> {
  const server = createServer();
  const webSockets = new WebSocketServer({ server, ...webSocketOptions() });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const peer = connect(port, '127.0.0.1');
  peer.on('error', () => undefined);
  const counts = { bytes: 0, pings: 0 };
  const opened = new Promise<WebSocket>((resolve) => {
    webSockets.once('connection', (socket) => {
      meterInput(
        socket,
        (bytes) => (counts.bytes += bytes),
        () => false,
      );
      socket.on('ping', () => (counts.pings += 1));
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
  peer.write(
    'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: gearway.v1\r\n\r\n',
  );
  const socket = await opened;
  await once(peer, 'data');
  return {
    socket,
    counts,
    peer,
    async [Symbol.asyncDispose]() {
      socket.terminate();
      peer.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('meterInput', () => {
  it('reports all bytes of an open socket, and parses all of them', async () => {
    await using open = await setUp();
    // Pings themselves would be answered.
    const pongs = PINGS.map((byte) => (byte === 0x89 ? 0x8a : byte));
    let count = 0;
    const all = new Promise<void>((resolve) => open.socket.on('pong', () => (count += 1) === 20_000 && resolve()));
    open.peer.write(pongs);
    await all;
    expect(open.counts.bytes).toBe(pongs.byteLength);
  });

  it('stops parsing soon after the close, until the connection has ended', async () => {
    await using open = await setUp();
    closeWebSocket(open.socket, 4000, 'text');
    open.peer.write(PINGS);
    open.peer.write(PINGS);
    await once(open.socket, 'close');
    expect(open.counts.bytes).toBeGreaterThan(0);
    expect(open.counts.bytes).toBeLessThanOrEqual(16 << 10);
    expect(open.counts.pings).toBeLessThanOrEqual((16 << 10) / 6);
  });

  it('stops in the middle of a chunk', async () => {
    await using open = await setUp();
    open.socket.once('ping', () => closeWebSocket(open.socket, 4006, 'pings'));
    open.peer.write(PINGS);
    await once(open.socket, 'close');
    expect(open.counts.pings).toBeLessThanOrEqual((24 << 10) / 6);
  });

  it('receives the close frame of a peer that has sent little', async () => {
    await using open = await setUp();
    closeWebSocket(open.socket, 4000, 'text');
    open.peer.write(PINGS.subarray(0, 6000));
    open.peer.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]));
    const [code] = (await once(open.socket, 'close')) as [number];
    expect(code).toBe(4000);
  });
});

describe('closeReason', () => {
  it('keeps a reason of up to 123 bytes, and marks a longer one as shortened', () => {
    expect(closeReason('x'.repeat(123))).toBe('x'.repeat(123));
    expect(closeReason('x'.repeat(124))).toBe(`${'x'.repeat(120)}…`);
  });

  it('does not cut a character', () => {
    for (const character of ['é', '€', '😀']) {
      for (const start of ['', 'x', 'xx', 'xxx']) {
        const reason = closeReason(start + character.repeat(100));
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
        expect(reason).toMatch(new RegExp(`^${start}(?:${character})+…$`, 'u'));
      }
    }
  });
});

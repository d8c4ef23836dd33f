import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { DEFAULT_WEB_CLIENT_LIMITS } from '../../../gateway/clients/web/web-client.ts';
import { type ProtocolPeer, ProtocolSocket } from '../../../gateway/connection/protocol-socket.ts';

class FakeSocket extends EventEmitter {
  readonly bufferedAmount = 0;
  readonly pings: Buffer[] = [];

  ping(data: Buffer): void {
    this.pings.push(data);
  }
}

describe('ProtocolSocket', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function open(): { socket: FakeSocket; protocol: ProtocolSocket<{ type: string }>; roundTrips: number[] } {
    const roundTrips: number[] = [];
    const peer: ProtocolPeer<{ type: string }> = {
      role: 'viewer',
      unsentBytes: 0,
      decode: () => undefined,
      greet: () => undefined,
      received: () => undefined,
      pingAnswered: (sentAtMs) => void roundTrips.push(performance.now() - sentAtMs),
      ended: () => undefined,
    };
    const socket = new FakeSocket();
    const protocol = new ProtocolSocket(socket as unknown as WebSocket, peer, DEFAULT_WEB_CLIENT_LIMITS);
    protocol.admit(null);
    return { socket, protocol, roundTrips };
  }

  it('measures each ping by its own answer, even if answers are late', () => {
    const { socket, protocol, roundTrips } = open();
    protocol.ping();
    vi.advanceTimersByTime(1000);
    vi.advanceTimersByTime(500);
    socket.emit('pong', socket.pings[0]);
    protocol.ping();
    vi.advanceTimersByTime(10);
    socket.emit('pong', socket.pings[1]);
    socket.emit('pong', socket.pings[2]);
    expect(roundTrips).toEqual([1500, 510, 10]);
  });

  it('accepts one answer to several pings, and ignores answers to unsent and to answered pings', () => {
    const { socket, protocol, roundTrips } = open();
    for (let count = 0; count < 3; count += 1) {
      protocol.ping();
      vi.advanceTimersByTime(10);
    }
    socket.emit('pong', socket.pings[2]);
    for (const answer of [socket.pings[0], socket.pings[2], Buffer.alloc(0), Buffer.alloc(4, 9), Buffer.alloc(125)])
      socket.emit('pong', answer);
    expect(roundTrips).toEqual([10]);
  });

  it('forgets the oldest of too many unanswered pings', () => {
    const { socket, protocol, roundTrips } = open();
    for (let count = 0; count < 40; count += 1) protocol.ping();
    socket.emit('pong', socket.pings[0]);
    expect(roundTrips).toEqual([]);
    socket.emit('pong', socket.pings[39]);
    expect(roundTrips).toEqual([0]);
  });
});

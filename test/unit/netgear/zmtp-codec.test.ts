import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeMessage,
  encodePong,
  encodeReady,
  ZmtpDecoder,
  type ZmtpEvent,
} from '../../../gateway/netgear/zmtp-codec.ts';
import { command, greeting, message, part, ready } from '../../helpers/zmtp.ts';

const LIMITS = { messageBytes: 1000, parts: 4 };
const HANDSHAKE = Buffer.concat([greeting(), ready('REQ')]);

/** All events for bytes that arrive in chunks. */
function decode(pieces: readonly Uint8Array[], limits = LIMITS): ZmtpEvent[] {
  const decoder = new ZmtpDecoder(limits);
  const events: ZmtpEvent[] = [];
  for (const piece of pieces) {
    decoder.add(piece);
    for (let event = decoder.next(); event !== null; event = decoder.next())
      events.push(
        event.kind === 'message' ? { ...event, parts: event.parts.map((bytes) => Buffer.from(bytes)) } : event,
      );
  }
  return events;
}

const texts = (event: ZmtpEvent | undefined): string[] => (event?.kind === 'message' ? event.parts.map(String) : []);

describe('ZmtpDecoder', () => {
  it('reads the same messages from chunks of any size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 90 })),
        (messages, sizes) => {
          const bytes = Buffer.concat([HANDSHAKE, ...messages.map((parts) => message(...parts))]);
          const pieces: Buffer[] = [];
          for (let at = 0, index = 0; at < bytes.byteLength; index += 1) {
            const size = sizes.length === 0 ? bytes.byteLength : sizes[index % sizes.length]!;
            pieces.push(bytes.subarray(at, at + size));
            at += size;
          }
          const [first, ...events] = decode(pieces);
          expect(first).toEqual({ kind: 'ready', socketType: 'REQ' });
          expect(events).toEqual(
            messages.map((parts) => ({ kind: 'message', parts: parts.map((data) => Buffer.from(data)) })),
          );
        },
      ),
    );
  });

  it('keeps at most the maximum number of parts, and continues after them', () => {
    const [, many, next] = decode([
      HANDSHAKE,
      message('', ...Array.from({ length: 300 }, (_, index) => String(index % 10))),
      message('next'),
    ]);
    expect(texts(many)).toEqual(['', '0', '1', '2']);
    expect(texts(next)).toEqual(['next']);
  });

  it.each([
    ['a part', part(Buffer.alloc(1001), false)],
    [
      'parts, and the last one is only announced',
      Buffer.concat([part(Buffer.alloc(600), true), Buffer.of(2, 0, 0, 0, 0, 0, 0, 2, 0)]),
    ],
    ['a length of 2^64 - 1', Buffer.concat([Buffer.of(2), Buffer.alloc(8, 0xff)])],
    ['endless empty parts', Buffer.concat(Array.from({ length: 1002 }, () => part('', true)))],
  ])('refuses a message that is too large as soon as its length is known: %s', (_name, bytes) => {
    expect(() => decode([HANDSHAKE, bytes])).toThrow(expect.objectContaining({ code: 'too-large' }));
  });

  it('keeps the received bytes of a message, but nothing after its end', () => {
    const decoder = new ZmtpDecoder(LIMITS);
    decoder.add(
      Buffer.concat([HANDSHAKE, part(Buffer.alloc(100), true), part(Buffer.alloc(50), false).subarray(0, 20)]),
    );
    decoder.next();
    expect(decoder.next()).toBeNull();
    expect(decoder.heldBytes).toBeGreaterThan(100);
    decoder.add(Buffer.alloc(32));
    expect(decoder.next()).toMatchObject({ kind: 'message' });
    expect(decoder.heldBytes).toBe(0);
  });

  it('joins a large message from many chunks, even when messages arrive faster than they are taken', () => {
    const limits = { messageBytes: 64 << 20, parts: 4 };
    const body = Buffer.alloc(9 << 20);
    for (let at = 0; at < body.byteLength; at += 4) body.writeUInt32LE(at, at);
    const bytes = Buffer.concat([HANDSHAKE, message('head', body), message(body.subarray(1), 'tail')]);
    const chunks = Array.from({ length: Math.ceil(bytes.byteLength / 65_536) }, (_, index) =>
      bytes.subarray(index * 65_536, (index + 1) * 65_536),
    );
    for (const burst of [1, 100, chunks.length]) {
      const decoder = new ZmtpDecoder(limits);
      const messages: Uint8Array[][] = [];
      for (const [index, chunk] of chunks.entries()) {
        decoder.add(chunk);
        if (index % burst !== burst - 1 && index !== chunks.length - 1) continue;
        for (let event = decoder.next(); event !== null; event = decoder.next())
          if (event.kind === 'message') messages.push(event.parts);
      }
      expect(messages.map((parts) => parts.map(({ byteLength }) => byteLength))).toEqual([
        [4, 9 << 20],
        [(9 << 20) - 1, 4],
      ]);
      expect(body.equals(messages[0]![1]!)).toBe(true);
      expect(body.subarray(1).equals(messages[1]![0]!)).toBe(true);
      expect(decoder.heldBytes).toBe(0);
    }
  });

  it('allocates little for a message that is only announced', () => {
    const decoders = Array.from({ length: 20 }, () => new ZmtpDecoder({ messageBytes: 64 << 20, parts: 4 }));
    const head = Buffer.from('02000000000400000001020304', 'hex');
    const before = process.memoryUsage().arrayBuffers;
    for (const decoder of decoders) {
      decoder.add(Buffer.concat([HANDSHAKE, head]));
      decoder.next();
      expect(decoder.next()).toBeNull();
      expect(decoder.heldBytes).toBe(4);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * (5 << 20));
  });

  it('reads the context of a PING, and skips other commands', () => {
    expect(
      decode([HANDSHAKE, command('PING', Buffer.from([0, 100, 7, 8])), command('SUBSCRIBE'), message('x')]).map(
        ({ kind }) => kind,
      ),
    ).toEqual(['ready', 'ping', 'command', 'message']);
    expect(decode([HANDSHAKE, command('PING', Buffer.from([0, 100, 7, 8]))])[1]).toEqual({
      kind: 'ping',
      context: Buffer.of(7, 8),
    });
  });

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'foreign'],
    ['ZMTP 1', Buffer.from('01000600', 'hex'), 'foreign'],
    ['ZMTP 2', Buffer.from('ff00000000000000017f010500', 'hex'), 'foreign'],
    ['CURVE', greeting(1, 'CURVE'), 'mechanism'],
    ['a message instead of READY', Buffer.concat([greeting(), message('x')]), 'handshake'],
    ['a command that is not READY', Buffer.concat([greeting(), command('HELLO')]), 'handshake'],
    ['properties that do not end', Buffer.concat([greeting(), command('READY', Buffer.of(11, 83, 111))]), 'handshake'],
    ['a READY of 60 KB', Buffer.concat([greeting(), Buffer.of(6, 0, 0, 0, 0, 0, 0, 0xea, 0x60)]), 'handshake'],
    ['unknown flags', Buffer.concat([HANDSHAKE, Buffer.of(0x18, 0)]), 'frame'],
    ['a command with trailing bytes', Buffer.concat([HANDSHAKE, Buffer.of(5, 0)]), 'frame'],
  ])('refuses %s', (_name, bytes, code) => {
    expect(() => decode([bytes])).toThrow(expect.objectContaining({ code }));
  });

  it('throws only its own errors for any bytes', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 400 }), (isShaken, bytes) => {
        try {
          decode([isShaken ? Buffer.concat([HANDSHAKE, bytes]) : bytes]);
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(?:foreign|mechanism|handshake|frame|too-large)$/) as string,
          });
        }
      }),
    );
  });
});

describe('an encoded message', () => {
  it('can be decoded', () => {
    const [first, second] = decode([
      greeting(0),
      encodeReady('REP'),
      ...encodeMessage(['', 'x'.repeat(255), Buffer.alloc(256, 1)]),
    ]);
    expect(first).toEqual({ kind: 'ready', socketType: 'REP' });
    expect(texts(second)).toEqual(['', 'x'.repeat(255), Buffer.alloc(256, 1).toString()]);
  });

  it('is a PONG with the context of the PING', () => {
    expect(Buffer.from(encodePong(Buffer.of(7, 8))).toString('hex')).toBe('040704504f4e470708');
  });
});

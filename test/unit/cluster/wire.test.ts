import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseClusterAddress } from '../../../gateway/cluster/cluster-address.ts';
import {
  encodeFrame,
  encodeRendition,
  FrameAssembler,
  type RemoteFrame,
  type RemoteRendition,
  renditionFrames,
  SOURCE_FRAMES,
} from '../../../gateway/cluster/frame-wire.ts';
import { RemoteNumbers } from '../../../gateway/cluster/remote-numbers.ts';
import { itemsNow, ReturnQueue } from '../../../gateway/cluster/return-queue.ts';
import { decodeBatch, encodeBatch } from '../../../gateway/cluster/return-wire.ts';
import { nowUs } from '../../../gateway/hub/clock.ts';
import type { Frame } from '../../../gateway/hub/frame.ts';
import { NOTHING, type ReturnData } from '../../../gateway/hub/returns/return-data.ts';
import { Returns } from '../../../gateway/hub/returns/returns.ts';
import type { RenditionFrame } from '../../../gateway/renditions/rendition.ts';
import { MAX_MESSAGE_JSON } from '../../../shared/frame.ts';
import { HEAD_OF_JPEG } from './frame-head.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const value = (text: string): ReturnData => ({ kind: 'value', value: text, json: JSON.stringify(text) });

describe('parseClusterAddress', () => {
  it('reads servers, login and options', () => {
    expect(
      parseClusterAddress('tls://me:p%40ss@a,b:4333/?gateway=door-1&replicas=3&domain=hub&ca=/ca.pem'),
    ).toMatchObject({
      servers: ['a:4222', 'b:4333'],
      isTls: true,
      user: 'me',
      password: 'p@ss',
      gateway: 'door-1',
      replicas: 3,
      domain: 'hub',
      ca: '/ca.pem',
      cluster: 'gearway',
    });
    expect(parseClusterAddress('nats://[::1]:4222')).toMatchObject({
      servers: ['[::1]:4222'],
      isTls: false,
      user: null,
    });
    expect(parseClusterAddress('nats://secret@a')).toMatchObject({ user: 'secret', password: null });
  });

  it.each([
    'a:4222',
    'nats://',
    'nats://a:0',
    'nats://a:65536',
    'nats://a?x=1',
    'nats://a?replicas=2',
    'nats://a?domain=a.b',
    'nats://a?cert=x',
    'nats://a?cluster=a.b',
    'nats://%zz:a@b',
  ])('refuses %s', (text) => {
    expect(() => parseClusterAddress(text)).toThrow(coded('option-invalid'));
  });

  it('does not repeat the password', () => {
    expect(() => parseClusterAddress('natz://me:hunter2@a')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as string }) as Error,
    );
  });
});

function frameOf(payload: Uint8Array, sequence = 1): Frame {
  return {
    sequence,
    receivedAtUs: 0,
    capturedAtUs: 5,
    width: payload.byteLength,
    height: 1,
    encoding: { kind: 'raw', dtype: 'uint8', shape: [1, payload.byteLength] },
    payload,
    message: { n: sequence, big: 2n ** 70n },
    wireHeader: '{"a": 2.0}',
    isTrusted: true,
  };
}

interface WireMessage {
  readonly kind: 'head' | 'part';
  readonly bytes: Uint8Array;
  readonly name: string;
}

describe('FrameAssembler', () => {
  const payload = Uint8Array.from({ length: 1000 }, (_, index) => index & 255);

  /** A frame in five messages. */
  const messages = (sequence: number, bytes: Uint8Array = payload): readonly WireMessage[] => {
    const { head, parts, partName } = encodeFrame('o', frameOf(bytes, sequence), 300);
    return [
      { kind: 'head', bytes: head, name: '' },
      ...parts.map((part, index) => ({ kind: 'part' as const, bytes: part, name: partName(index) })),
    ];
  };

  it.each([1000, 999, 500, 334, 300])('assembles a frame from parts of at most %i bytes', (maxPayload) => {
    const frames: RemoteFrame[] = [];
    const assembler = new FrameAssembler(
      SOURCE_FRAMES,
      (frame) => frames.push(frame),
      (error) => expect.fail(String(error)),
    );
    const { head, parts, partName } = encodeFrame('o', frameOf(payload), maxPayload);
    expect(parts.every(({ buffer, byteLength }) => buffer === payload.buffer && byteLength <= maxPayload)).toBe(true);
    assembler.head(head);
    for (const [index, part] of parts.entries()) assembler.part(part, partName(index));
    expect(frames).toHaveLength(1);
    expect(Buffer.compare(frames[0]!.input.payload, payload)).toBe(0);
    expect(frames[0]!.input).toMatchObject({
      message: { n: 1, big: 2n ** 70n },
      wireHeader: '{"a": 2.0}',
      capturedAtUs: 5,
      isTrusted: true,
    });
  });

  it('discards a frame with any missing message, and delivers the next one', () => {
    for (let missing = 0; missing < messages(1).length; missing += 1) {
      const frames: RemoteFrame[] = [];
      const assembler = new FrameAssembler(
        SOURCE_FRAMES,
        (frame) => frames.push(frame),
        (error) => expect.fail(String(error)),
      );
      for (const { kind, bytes, name } of [...messages(1).filter((_, index) => index !== missing), ...messages(2)])
        assembler[kind](bytes, name);
      expect(frames.map(({ sequence }) => sequence)).toEqual([2]);
    }
  });

  it('never mixes frames: with lost, late or repeated messages, each frame is complete and correct, or missing', () => {
    const filled = (sequence: number): Uint8Array => new Uint8Array(1000).fill(sequence);
    const all = [1, 2, 3].flatMap((sequence) => messages(sequence, filled(sequence)));
    let assembled = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(all.length - 1), { maxLength: 60 }), (order) => {
        const assembler = new FrameAssembler(
          SOURCE_FRAMES,
          ({ sequence, input }) => {
            assembled += 1;
            expect(Buffer.compare(input.payload, filled(sequence))).toBe(0);
          },
          (error) => expect.fail(String(error)),
        );
        // Complete frames follow, with the other messages in between.
        for (const at of [...order, 0, 1, order[0] ?? 0, 2, 3, order[1] ?? 0, 4]) {
          const { kind, bytes, name } = all[at]!;
          assembler[kind](bytes, name);
        }
      }),
    );
    expect(assembled).toBeGreaterThan(20);
  });

  it('allocates no memory for forged heads and parts', () => {
    const assembler = new FrameAssembler(
      SOURCE_FRAMES,
      () => expect.fail('no frame'),
      () => undefined,
    );
    const before = process.memoryUsage();
    for (let count = 0; count < 2000; count += 1) {
      const head = { ...HEAD_OF_JPEG, sequence: count + 1, bytes: 64 << 20 };
      assembler.head(Buffer.from(JSON.stringify(head)));
      // Too small, empty, of another frame, and too large.
      assembler.part(new Uint8Array(1), `o.${count + 1}.0`);
      assembler.part(new Uint8Array(0), `o.${count + 1}.1`);
      assembler.part(new Uint8Array(1 << 10), `x.${count + 1}.0`);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 << 20);
    // The frame continues with its own parts only.
    const [head, ...parts] = messages(5);
    assembler.head(head!.bytes);
    for (let count = 0; count < 1000; count += 1) assembler.part(new Uint8Array(100), parts[0]!.name);
  });

  it('refuses malformed heads, and heads that announce too much, at every length', () => {
    const { head } = encodeFrame('o', frameOf(payload), 1000);
    for (let length = 0; length < head.byteLength; length += 1) {
      const errors: unknown[] = [];
      new FrameAssembler(
        SOURCE_FRAMES,
        () => expect.fail('no frame'),
        (error) => errors.push(error),
      ).head(head.subarray(0, length));
      expect(errors).toEqual([coded('frame-invalid')]);
    }
    for (const text of [
      '{"sequence": 1, "bytes": 67108865}',
      '{"sequence": 1, "bytes": 4294967296}',
      'null',
      '5',
      '[]',
    ]) {
      const errors: unknown[] = [];
      new FrameAssembler(
        SOURCE_FRAMES,
        () => expect.fail('no frame'),
        (error) => errors.push(error),
      ).head(Buffer.from(text));
      expect(errors).toEqual([coded('frame-invalid')]);
    }
  });
});

describe('heads of frames that were not written by a gateway', () => {
  const jpeg = HEAD_OF_JPEG;
  const raw = { ...jpeg, encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 2, 3] } };

  function errorsOf(head: object): unknown[] {
    const errors: unknown[] = [];
    new FrameAssembler(
      SOURCE_FRAMES,
      () => expect.fail('no frame'),
      (error) => errors.push(error),
    ).head(Buffer.from(JSON.stringify(head)));
    return errors;
  }

  it('are accepted if they describe a picture', () => {
    expect([errorsOf(jpeg), errorsOf(raw)]).toEqual([[], []]);
  });

  it.each([
    ...(['width', 'height', 'encoding', 'message', 'wireHeader', 'isTrusted'] as const).map((key) => ({
      ...jpeg,
      [key]: undefined,
    })),
    ...[undefined, 0, -1, 1.5, 2 ** 49, 1e300, '1'].map((sequence) => ({ ...jpeg, sequence })),
    ...[undefined, -1, 0.5, 3_600_000_001, 1e300, null].map((ageUs) => ({ ...jpeg, ageUs })),
    ...[undefined, 0, -1, 1.5, 4 * 2 ** 30, 1e300, '12', null].map((bytes) => ({ ...jpeg, bytes })),
    { ...jpeg, width: 0 },
    { ...jpeg, width: 1.5 },
    { ...jpeg, width: 16_385 },
    { ...jpeg, width: 16_384, height: 16_384 },
    { ...jpeg, encoding: null },
    { ...jpeg, encoding: { kind: 'h264' } },
    { ...raw, encoding: { kind: 'raw', dtype: 'uint8', shape: null } },
    { ...raw, encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 2] } },
    { ...raw, encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 2, 3, 1] } },
    { ...raw, encoding: { kind: 'raw', dtype: 'uint16', shape: [2, 2, 3] } },
    { ...raw, width: 3, height: 4 },
  ])('are refused otherwise: %j', (head) => {
    expect(errorsOf(head)).toEqual([coded('frame-invalid')]);
  });
});

describe('renditions', () => {
  const header = { capturedAtUs: null, width: 640, height: 480, message: { big: 2n ** 70n } };
  const size = { pictureWidth: 320, pictureHeight: 240 };
  const jpeg: RenditionFrame = {
    ...header,
    sequence: 9,
    receivedAtUs: nowUs() - 5000,
    encoding: { kind: 'jpeg' },
    rendition: { rendition: 'jpeg-2-50', ...size },
    payload: Uint8Array.from({ length: 100 }, (_, index) => index),
  };
  const key: RenditionFrame = {
    ...jpeg,
    encoding: { kind: 'h264', isKey: true, codec: 'avc1.42c028', description: Uint8Array.of(1, 66) },
  };
  const later: RenditionFrame = { ...jpeg, encoding: { kind: 'h264', isKey: false } };

  function read(head: Uint8Array, parts: readonly Uint8Array[]): unknown[] {
    const read: unknown[] = [];
    const assembler = new FrameAssembler(
      renditionFrames('jpeg-2-50'),
      (frame) => read.push(frame),
      (error) => read.push(error),
    );
    assembler.head(head);
    for (const [index, part] of parts.entries()) assembler.part(part, `o.9.${index}`);
    return read;
  }

  it.each([
    ['a JPEG', jpeg],
    ['a key frame', key],
    ['another chunk', later],
  ])('are assembled unmodified: %s', (_what, frame) => {
    const { head } = encodeRendition('o', 4, frame, 1000);
    const parts = [frame.payload.subarray(0, 40), frame.payload.subarray(40)];
    expect(encodeRendition('o', 4, frame, 1000).parts).toEqual([frame.payload]);
    const { encoding, rendition } = frame;
    const [found] = read(head, parts) as [RemoteRendition];
    expect(found).toMatchObject({ origin: 'o', sequence: 9, index: 4, frame: { ...header, encoding, rendition } });
    expect(Buffer.compare(found.frame.payload, frame.payload)).toBe(0);
    expect(found.ageUs).toBeGreaterThanOrEqual(5000);
    for (let length = 0; length < head.byteLength; length += 1)
      expect(read(head.subarray(0, length), [])).toEqual([coded('frame-invalid')]);
  });

  it.each([
    { origin: 5 },
    { ageUs: 'x' },
    { index: undefined },
    { width: 16_385 },
    { pictureWidth: 0 },
    { pictureHeight: 1.5 },
    { video: undefined },
    { video: 5 },
    { video: { isKey: 'x' } },
    { video: { isKey: true } },
    { video: { isKey: true, codec: 'avc1.42c028', description: 5 } },
    { video: { isKey: false, codec: 'avc1.42c028' } },
    // A viewer would close its connection because of them.
    { capturedAtUs: -1 },
    { capturedAtUs: 0.5 },
    { capturedAtUs: 1e300 },
    { video: { isKey: true, codec: 'x'.repeat(65), description: '' } },
    { video: { isKey: true, codec: 'avc1.42c028', description: 'A'.repeat(5464) } },
  ])('are refused with %j', (changes) => {
    const head = JSON.parse(Buffer.from(encodeRendition('o', 4, key, 1000).head).toString()) as object;
    expect(read(Buffer.from(JSON.stringify(head)), [])).toEqual([]);
    expect(read(Buffer.from(JSON.stringify({ ...head, ...changes })), [])).toEqual([coded('frame-invalid')]);
  });

  it('are refused with a message that viewers do not accept', () => {
    const head = JSON.parse(Buffer.from(encodeRendition('o', 4, key, 1000).head).toString()) as object;
    const withMessage = (length: number): Buffer =>
      Buffer.from(JSON.stringify({ ...head, message: JSON.stringify('x'.repeat(length - 2)) }));
    expect(read(withMessage(MAX_MESSAGE_JSON), [])).toEqual([]);
    expect(read(withMessage(MAX_MESSAGE_JSON + 1), [])).toEqual([coded('frame-invalid')]);
  });
});

describe('RemoteNumbers', () => {
  it('keeps the numbers of the first owner, continues them for later owners, and refuses older frames', () => {
    let newest = 0;
    const numbers = new RemoteNumbers(() => newest);
    const number = (origin: string, sequence: number): number | undefined => {
      const { sequence: found } = numbers.arrival({ origin, sequence, ageUs: 0 }) ?? {};
      if (found !== undefined) newest = Math.max(newest, found);
      return found;
    };
    expect([500, 503, 502].map((sequence) => number('first', sequence))).toEqual([500, 503, 502]);
    numbers.begin();
    expect(number('first', 600)).toBe(600);
    expect([7, 9, 8, 6].map((sequence) => number('second', sequence))).toEqual([601, 603, 602, undefined]);
    // This gateway has run the source itself in the meantime.
    newest = 700;
    numbers.begin();
    expect([100, 101].map((sequence) => number('second', sequence))).toEqual([701, 702]);
  });

  it('continues after forged numbers, which do not exhaust the numbers', () => {
    let newest = 0;
    const numbers = new RemoteNumbers(() => newest);
    const number = (origin: string, sequence: number): number => {
      newest = Math.max(newest, numbers.arrival({ origin, sequence, ageUs: 0 })?.sequence ?? 0);
      return newest;
    };
    number('owner', 10);
    let before = number('owner', 11);
    for (let turn = 0; turn < 1000; turn += 1) {
      // Forged numbers of the owner's stream, and of other streams.
      number(turn % 2 === 0 ? 'owner' : `forged ${turn}`, 1);
      number(turn % 2 === 0 ? 'owner' : `forged ${turn}`, 2 ** 48 - turn);
      const next = number('owner', 12 + turn);
      expect(next).toBeGreaterThan(before);
      before = next;
    }
    expect(before).toBeLessThan(2 ** 40);
    // Late frames are still recognized, and missed ones keep their numbers free.
    expect(number('owner', 5000) - number('owner', 4000)).toBe(0);
    expect(number('owner', 1_005_000)).toBe(before + 1_005_000 - 1011);
  });

  it('counts the age of a frame', () => {
    const arrival = new RemoteNumbers(() => 0).arrival({ origin: 'o', sequence: 1, ageUs: 3_000_000 });
    expect(Math.abs((arrival?.receivedAtUs ?? 0) + 3_000_000 - nowUs())).toBeLessThan(1_000_000);
  });
});

describe('encodeBatch', () => {
  it('can be decoded by decodeBatch, but no prefix of it can', () => {
    const items = [
      { kind: 'join', port: 6000 },
      { kind: 'set', port: 6000, data: { kind: 'value', value: 2, json: '2.0' }, ttlMs: 500 },
      {
        kind: 'once',
        port: 6000,
        data: { kind: 'array', array: { dtype: 'uint8', shape: [2, 2], data: Uint8Array.of(1, 2, 3, 4) } },
      },
      { kind: 'set', port: 6001, data: { kind: 'jpeg', colorspace: 'BGR', data: Uint8Array.of(9, 8) } },
      { kind: 'extend', port: 6000, ttlMs: 100 },
      { kind: 'discard', port: 6000 },
      { kind: 'leave', port: 6000 },
    ] as const;
    const control = [
      { kind: 'enter', client: 'web-1', port: 6000, name: 'lab' },
      { kind: 'change', client: 'web-1', action: 'hand-over', port: 6001 },
      { kind: 'revoke' },
      { kind: 'exit', client: 'web-1' },
    ] as const;
    const batch = { needsPictures: true, newestFrame: 7, isLast: false, control, items };
    const bytes = encodeBatch(batch);
    expect(decodeBatch(bytes)).toEqual(batch);
    for (let length = 0; length < bytes.byteLength; length += 1)
      expect(() => decodeBatch(bytes.subarray(0, length))).toThrow(coded('batch-invalid'));
  });
});

describe('batches that were not written by a gateway', () => {
  function bytesOf(json: unknown, binary: readonly number[] = []): Uint8Array {
    const text = Buffer.from(JSON.stringify(json));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.byteLength);
    return Buffer.concat([length, text, Buffer.from(binary)]);
  }
  const batch = { needsPictures: true, newestFrame: 0, isLast: false };

  it.each([
    null,
    [],
    { ...batch, items: {} },
    { ...batch, newestFrame: 'x', items: [] },
    { ...batch, needsPictures: 1, items: [] },
    ...[undefined, '6000', 0, 65_536, 1.5].map((port) => ({ ...batch, items: [{ kind: 'join', port }] })),
    { ...batch, items: [null] },
    { ...batch, items: [], control: {} },
    ...[
      null,
      { kind: 'x', client: 'web-1' },
      { kind: 'exit' },
      { kind: 'exit', client: 'x'.repeat(65) },
      { kind: 'enter', client: 'web-1', port: 6000 },
      { kind: 'enter', client: 'web-1', port: 65_536, name: '' },
      { kind: 'change', client: 'web-1', action: 'x', port: 0 },
      { kind: 'change', client: 'web-1', action: 'take', port: '6000' },
    ].map((item) => ({ ...batch, items: [], control: [item] })),
    { ...batch, items: [{ kind: 'x', port: 1 }] },
    { ...batch, items: [{ kind: 'extend', port: 1, ttlMs: 'x' }] },
    ...[-1, 86_400_001, 1e300].map((ttlMs) => ({ ...batch, items: [{ kind: 'extend', port: 1, ttlMs }] })),
    { ...batch, items: [{ kind: 'set', port: 1, data: { kind: 'x' } }] },
    { ...batch, items: [{ kind: 'set', port: 1, data: { kind: 'value', json: 5 } }] },
    {
      ...batch,
      items: [{ kind: 'set', port: 1, data: { kind: 'value', json: `${'['.repeat(65)}${']'.repeat(65)}` } }],
    },
  ])('are refused: %j', (json) => {
    expect(() => decodeBatch(bytesOf(json))).toThrow(coded('batch-invalid'));
  });

  it('are refused with more items than a gateway has clients', () => {
    const items = Array.from({ length: 262_145 }, () => ({ kind: 'join', port: 6000 }));
    expect(() => decodeBatch(bytesOf({ ...batch, items }))).toThrow(coded('batch-invalid'));
    expect(decodeBatch(bytesOf({ ...batch, items: items.slice(1) })).items).toHaveLength(262_144);
  });

  it.each([
    { kind: 'array', dtype: 'uint8', shape: [2, 2], bytes: 3 },
    { kind: 'array', dtype: 'object', shape: [3], bytes: 3 },
    { kind: 'array', dtype: 'uint8', shape: 3, bytes: 3 },
    { kind: 'jpeg', colorspace: 5, bytes: 3 },
  ])('are refused for %j with 3 bytes', (data) => {
    expect(() => decodeBatch(bytesOf({ ...batch, items: [{ kind: 'set', port: 1, data }] }, [1, 2, 3]))).toThrow(
      coded('batch-invalid'),
    );
  });
});

describe('ReturnQueue', () => {
  it('replays clients and sticky values, conflates sticky values, and keeps once-only ones in order', () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    returns.set(6000, value('first'));
    const queue = new ReturnQueue(() => undefined);
    returns.follow(queue);
    returns.push(6000, value('a'));
    returns.set(6000, value('second'));
    returns.push(6000, value('b'));
    expect(itemsNow(queue.take())).toMatchObject([
      { kind: 'join', port: 6000 },
      { kind: 'once', data: value('a') },
      { kind: 'set', data: value('second') },
      { kind: 'once', data: value('b') },
    ]);
    returns.leave(6000);
    expect(itemsNow(queue.take())).toEqual([{ kind: 'leave', port: 6000 }]);
    returns.join(6001);
    returns.leave(6001);
    expect(queue.isEmpty).toBe(true);
  });

  it('ends a client at the owner, even if another client has joined and left on its port since', () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    returns.set(6000, value('forward'));
    const queue = new ReturnQueue(() => undefined);
    returns.follow(queue);
    queue.take();
    for (let count = 0; count < 2; count += 1) {
      returns.leave(6000);
      returns.join(6000);
    }
    returns.leave(6000);
    expect(itemsNow(queue.take())).toEqual([{ kind: 'leave', port: 6000 }]);
  });

  it('discards once-only values, here and at the owner', () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    const queue = new ReturnQueue(() => undefined);
    returns.follow(queue);
    returns.push(6000, value('forward'));
    returns.discardOnce(6000);
    returns.set(6000, value('stop'));
    expect(itemsNow(queue.take())).toMatchObject([
      { kind: 'join' },
      { kind: 'discard', port: 6000 },
      { kind: 'set', data: value('stop') },
    ]);
  });

  it('refuses the 33rd once-only value that waits', () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    returns.follow(new ReturnQueue(() => undefined));
    for (let count = 0; count < 32; count += 1) returns.push(6000, value('x'));
    expect(() => returns.push(6000, value('x'))).toThrow(coded('too-many'));
  });

  it('counts the time to live from the arrival of the value', () => {
    const clock = { nowMs: 1000 };
    const queue = new ReturnQueue(
      () => undefined,
      () => clock.nowMs,
    );
    queue.set(6000, NOTHING, 500);
    queue.push(6000, value('x'), 200);
    const waiting = queue.take();
    expect(itemsNow(waiting, 1100)).toMatchObject([
      { kind: 'set', ttlMs: 400 },
      { kind: 'once', ttlMs: 100 },
    ]);
    expect(itemsNow(waiting, 1300)).toMatchObject([{ kind: 'set', ttlMs: 200 }]);
    expect(itemsNow(waiting, 2000)).toMatchObject([{ kind: 'set', ttlMs: 0 }]);
  });

  it('sends once-only values that were certainly not received again in a new session, after the joins', () => {
    const returns = new Returns({ hasServer: false });
    returns.join(6000);
    const queue = new ReturnQueue(() => undefined);
    returns.follow(queue);
    returns.push(6000, value('a'));
    const unsent = queue.take();
    returns.push(6000, value('b'));
    returns.unfollow(queue);
    queue.restart(unsent);
    returns.follow(queue);
    queue.replayed();
    expect(itemsNow(queue.take())).toMatchObject([
      { kind: 'join' },
      { kind: 'once', data: value('a') },
      { kind: 'once', data: value('b') },
    ]);
  });
});

describe('Returns.join', () => {
  it('replaces another client on the port, whose later data and disconnection are ignored', () => {
    const returns = new Returns({ hasServer: true });
    const [first, second] = [{}, {}];
    returns.join(6000, first);
    returns.set(6000, value('old'));
    returns.join(6000, second);
    expect(returns.get(6000)).toBeNull();
    returns.set(6000, value('new'));
    returns.leave(6000, first);
    expect(returns.get(6000)).toMatchObject(value('new'));
    expect([returns.hasJoined(6000, first), returns.hasJoined(6000, second)]).toEqual([false, true]);
    returns.leave(6000, second);
    expect(returns.isEmpty).toBe(true);
  });
});

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RemoteThumbnails } from '../../../gateway/cluster/remote-thumbnails.ts';
import { ThumbnailHost } from '../../../gateway/cluster/thumbnail-host.ts';
import {
  decodeThumbnail,
  decodeThumbnailRequest,
  encodeThumbnail,
  type ThumbnailRequest,
} from '../../../gateway/cluster/thumbnail-wire.ts';
import type { Thumbnail } from '../../../gateway/renditions/thumbnail.ts';
import { logTo } from '../../helpers/log.ts';
import { Bus } from './bus.ts';

const JPEG = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);
const PICTURE: Thumbnail = { sequence: 7, ageUs: 40_000, jpeg: JPEG };
/** Number 7 and 40 000 µs as 64-bit floats, written by hand. */
const HEAD = '401c00000000000040e3880000000000';

describe('encodeThumbnail', () => {
  it('writes number, age and JPEG', () => {
    expect(encodeThumbnail(PICTURE).toString('hex')).toBe(`${HEAD}ffd8ffd9`);
  });
});

describe('decodeThumbnail', () => {
  it('reads number, age and JPEG', () => {
    expect(decodeThumbnail(Buffer.from(`${HEAD}ffd8ffd9`, 'hex'))).toEqual({ ...PICTURE, jpeg: Buffer.from(JPEG) });
  });

  it('accepts no part without a JPEG', () => {
    const whole = Buffer.from(`${HEAD}ffd8`, 'hex');
    for (let bytes = 0; bytes < whole.byteLength; bytes += 1)
      expect(decodeThumbnail(whole.subarray(0, bytes)), String(bytes)).toBeNull();
  });

  it.each(['fff8000000000000', '0000000000000000', 'bff0000000000000', '3fe0000000000000', '7fefffffffffffff'])(
    'does not accept the number %s',
    (number) => expect(decodeThumbnail(Buffer.from(`${number}${HEAD.slice(16)}ffd8`, 'hex'))).toBeNull(),
  );

  it.each(['fff8000000000000', 'bff0000000000000', '7fefffffffffffff'])('does not accept the age %s', (age) =>
    expect(decodeThumbnail(Buffer.from(`${HEAD.slice(0, 16)}${age}ffd8`, 'hex'))).toBeNull(),
  );
});

describe('decodeThumbnailRequest', () => {
  it.each([1, 640])('accepts a width of %d', (width) => {
    const request = { stream: 'door', width };
    expect(decodeThumbnailRequest(Buffer.from(JSON.stringify(request)))).toEqual(request);
  });

  it.each(['', 'null', '{}', '[]', '{"stream":"door"}', '{"stream":5,"width":5}', '{"stream":"door","width":641}'])(
    'refuses %j',
    (text) => {
      expect(() => decodeThumbnailRequest(Buffer.from(text))).toThrow(
        expect.objectContaining({ code: 'request-invalid' }) as Error,
      );
    },
  );

  it.each([0, -1, 1.5, '5', null])('refuses the width %j', (width) => {
    expect(() => decodeThumbnailRequest(Buffer.from(JSON.stringify({ stream: 'door', width })))).toThrow();
  });

  it('refuses a long name', () => {
    expect(() => decodeThumbnailRequest(Buffer.from(JSON.stringify({ stream: 'x'.repeat(65), width: 5 })))).toThrow();
  });
});

function pair({ maxPayload = 1 << 20, owner = 'a' as string | null } = {}): {
  bus: Bus;
  requests: ThumbnailRequest[];
  logged: string[];
  create: { current: () => Promise<Thumbnail | null> };
  thumbnails: RemoteThumbnails;
} {
  const bus = new Bus();
  const requests: ThumbnailRequest[] = [];
  const logged: string[] = [];
  const create = { current: (): Promise<Thumbnail | null> => Promise.resolve(PICTURE) };
  const host = new ThumbnailHost({
    connection: bus.connect(),
    maxPayload: () => maxPayload,
    subject: 'thumbnails.a',
    create: (request) => {
      requests.push(request);
      return create.current();
    },
    log: logTo(logged),
  });
  onTestFinished(() => host.close());
  const thumbnails = new RemoteThumbnails({
    connection: bus.connect(),
    ownerOf: () => owner,
    subject: (id) => `thumbnails.${id}`,
  });
  return { bus, requests, logged, create, thumbnails };
}

describe('RemoteThumbnails', () => {
  it('gets a picture from the owner, once for all requests within half a second', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { requests, thumbnails } = pair();
    const all = await Promise.all([1, 2, 3].map(() => thumbnails.get('door', 320)));
    expect(all).toEqual(all.map(() => ({ ...PICTURE, jpeg: Buffer.from(JPEG) })));
    expect(requests).toEqual([{ stream: 'door', width: 320 }]);
    await thumbnails.get('door', 640);
    await thumbnails.get('yard', 320);
    expect(requests).toHaveLength(3);
    vi.advanceTimersByTime(500);
    await thumbnails.get('door', 320);
    expect(requests).toHaveLength(4);
  });

  it('gets none without an owner, without an answer, and if the owner has none', async () => {
    expect(await pair({ owner: null }).thumbnails.get('door', 320)).toBeNull();
    expect(await pair({ owner: 'b' }).thumbnails.get('door', 320)).toBeNull();
    const { create, thumbnails } = pair();
    create.current = () => Promise.resolve(null);
    expect(await thumbnails.get('door', 320)).toBeNull();
  });

  it('gets none that is larger than a message of the NATS server', async () => {
    expect(await pair({ maxPayload: 20 }).thumbnails.get('door', 320)).not.toBeNull();
    expect(await pair({ maxPayload: 19 }).thumbnails.get('door', 320)).toBeNull();
  });

  it('gets none if the owner fails, or cannot read the request; the owner logs this', async () => {
    const { bus, create, logged, thumbnails } = pair();
    create.current = () => Promise.reject(new Error('a fault'));
    expect(await thumbnails.get('door', 320)).toBeNull();
    expect(logged.join()).toContain('a fault');
    const answer = await bus.connect().request('thumbnails.a', 'junk');
    expect(answer.data).toHaveLength(0);
  });
});

import { describe, expect, it } from 'vitest';
import { chooseTarget, lacksRight } from '../../../../web/pages/publish/publish-target.ts';

const stream = (name: string, kind: string, isHere?: boolean) => ({
  name,
  source: { kind },
  ...(isHere === undefined ? {} : { gateway: { name: 'hall', url: 'http://hall:8080/', isHere } }),
});
const DOOR = stream('door', 'ffmpeg');
const PHONE = stream('phone', 'push');

describe('chooseTarget', () => {
  it('is the first stream that accepts publishers', () => {
    expect(chooseTarget(null, [DOOR, PHONE, stream('other', 'push')])).toEqual({
      stream: 'phone',
      obstacle: null,
      elsewhere: null,
      others: [],
    });
  });

  it('is the stream of the address', () => {
    expect(chooseTarget('phone', [DOOR, PHONE])).toEqual({
      stream: 'phone',
      obstacle: null,
      elsewhere: null,
      others: [],
    });
  });

  it('has an obstacle if the stream has another source', () => {
    expect(chooseTarget('door', [DOOR, PHONE])).toEqual({
      stream: 'door',
      obstacle: 'Its pictures come from another source (ffmpeg)',
      elsewhere: null,
      others: ['phone'],
    });
    expect(chooseTarget('door', [DOOR]).others).toEqual([]);
  });

  it('has an obstacle if no stream accepts publishers', () => {
    expect(chooseTarget(null, [DOOR])).toMatchObject({
      stream: null,
      obstacle: expect.stringMatching(/^No stream/) as string,
    });
  });

  it('has an obstacle if another gateway of a cluster runs the source', () => {
    expect(chooseTarget('yard', [stream('yard', 'push', false), PHONE])).toEqual({
      stream: 'yard',
      obstacle: 'Its source runs on gateway hall',
      elsewhere: 'http://hall:8080',
      others: ['phone'],
    });
    expect(chooseTarget('yard', [stream('yard', 'push', true)]).obstacle).toBeNull();
    const yard = stream('yard', 'push', false);
    const evil = { ...yard, gateway: { ...yard.gateway!, url: 'javascript:alert(1)' } };
    expect(chooseTarget('yard', [evil]).elsewhere).toBeNull();
  });

  // A user may have the right to publish to a stream, but not to see it.
  it.each([
    ['phone', 'phone'],
    [null, 'main'],
  ])('has no obstacle while the streams cannot be listed (%s)', (wanted, name) => {
    expect(chooseTarget(wanted, null)).toEqual({ stream: name, obstacle: null, elsewhere: null, others: [] });
  });

  it('has no obstacle if the stream is not in the list', () => {
    expect(chooseTarget('phone', [DOOR])).toEqual({ stream: 'phone', obstacle: null, elsewhere: null, others: [] });
  });
});

describe('lacksRight', () => {
  it.each([
    [null, false],
    [{ rights: ['view', 'publish'], streams: null }, false],
    [{ rights: ['publish'], streams: ['phone'] }, false],
    [{ rights: ['publish'], streams: ['door'] }, true],
    [{ rights: ['view', 'return', 'administer'], streams: null }, true],
    [{ rights: [], streams: null }, true],
  ])('is decided by the rights and their streams: %j', (rights, expected) => {
    expect(lacksRight({ stream: 'phone' }, rights)).toBe(expected);
  });

  it('is false without a stream', () => {
    expect(lacksRight({ stream: null }, { rights: [], streams: null })).toBe(false);
  });
});

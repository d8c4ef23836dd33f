import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../shared/protocol.ts';
import { SenderMix } from '../../../../gateway/sources/imagezmq/sender-mix.ts';

function mixOf(messages: Iterable<Value>): SenderMix {
  const mix = new SenderMix();
  for (const message of messages) mix.add(message);
  return mix;
}

const times = (count: number, message: (n: number) => Value): Value[] =>
  Array.from({ length: count }, (_none, n) => message(n));

describe('SenderMix', () => {
  it('reports two senders at any rates', () => {
    expect(mixOf(times(40, (n) => ['kitchen', 'porch'][n % 2]!)).names(2)).toEqual(['kitchen', 'porch']);
    expect(mixOf(times(100, (n) => (n % 30 === 29 ? 'porch' : 'kitchen'))).names(2)).toEqual(['kitchen', 'porch']);
    expect(mixOf(times(90, (n) => `camera ${n % 3}`)).names(3)).toEqual(['camera 0', 'camera 1', 'camera 2']);
  });

  it('reports one sender with two cameras that alternate', () => {
    expect(mixOf(times(40, (n) => ['left', 'right'][n % 2]!)).names(1)).toEqual(['left', 'right']);
    expect(mixOf(times(15, (n) => ['left', 'right'][n % 2]!)).names(1)).toEqual([]);
    expect(mixOf(times(16, (n) => ['left', 'right'][n % 2]!)).names(1)).toEqual(['left', 'right']);
  });

  it.each<[string, Value[]]>([
    ['one name', times(300, () => 'kitchen')],
    ['a number', times(300, (n) => n % 2)],
    ['a number as text', times(300, (n) => String(n % 2))],
    ['JSON', times(300, (n) => `{"moving": ${n % 2}}`)],
    ['an object', times(300, (n) => ({ moving: n % 2 }))],
    ['the time', times(300, (n) => `2026-01-31 12:00:${n % 60}`)],
    ['a name and a number that rises', times(300, (n) => `kitchen ${n}`)],
    ['a long text', times(300, (n) => 'ab'[n % 2]!.repeat(65))],
    ['nothing', times(300, () => null)],
  ])('does not report %s, even from two senders', (_name, messages) => {
    expect(mixOf(messages).names(1)).toEqual([]);
    expect(mixOf(messages).names(2)).toEqual([]);
  });

  it('does not report a message that changes occasionally', () => {
    expect(mixOf(times(300, (n) => (n % 20 < 10 ? 'motion' : 'still'))).names(1)).toEqual([]);
  });

  it('does not report a sender whose name differs from that of the previous one', () => {
    expect(mixOf([...times(50, () => 'kitchen'), ...times(50, () => 'porch')]).names(2)).toEqual([]);
  });

  it('discards old messages', () => {
    const mix = mixOf(times(40, (n) => ['kitchen', 'porch'][n % 2]!));
    for (let n = 0; n < 256; n += 1) mix.add('kitchen');
    expect(mix.names(2)).toEqual([]);
  });

  it('returns whether another name has arrived', () => {
    const mix = new SenderMix();
    expect(['a', 'a', 'b', 7, 8, 'b'].map((message) => mix.add(message))).toEqual([
      true,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});

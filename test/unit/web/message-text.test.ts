import { describe, expect, it, vi } from 'vitest';
import type { Value } from '../../../shared/protocol.ts';
import { LARGE_MESSAGE, messageText } from '../../../web/viewer/message-text.ts';
import { GearwayFrameEvent } from '../../../web/viewer/viewer-events.ts';

const large = (extra: { readonly [key: string]: Value } = {}): { readonly [key: string]: Value } => ({
  ...Object.fromEntries(Array.from({ length: LARGE_MESSAGE }, (_, index) => [`key ${index}`, index / 3])),
  ...extra,
});
const FRAME = { sequence: 1, width: 8, height: 8, ageMs: 0, capturedAtMs: null, latencyMs: null };

describe('messageText', () => {
  it('is the JSON of a message with many keys, lists or maps', () => {
    const nested = { joints: Array.from({ length: LARGE_MESSAGE }, () => [1.5, 'ü', null, true]) };
    for (const message of [large(), nested, large({ ['__proto__']: { a: 1 }, 'a "b"': '\u2028' })]) {
      const text = messageText(message);
      expect(text).not.toBeNull();
      expect(JSON.parse(text!)).toEqual(message);
    }
  });

  it('does not apply to small messages, or to long lists of numbers, which are copied quickly', () => {
    const numbers = Array.from({ length: 100_000 }, (_, index) => index);
    for (const message of [null, 'text', { a: { b: [1, 2] } }, { ranges: numbers }])
      expect(messageText(message)).toBeNull();
  });

  it.each<[string, unknown]>([
    ['NaN', NaN],
    ['an infinity', -Infinity],
    ['a bigint', 2n ** 70n],
  ])('does not apply to a message with a number that JSON does not have: %s', (_, value) => {
    expect(messageText(large({ list: [{ value: value as Value }] }))).toBeNull();
  });
});

describe('GearwayFrameEvent', () => {
  it('parses a large message when it is first read, and once', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const event = new GearwayFrameEvent({ ...FRAME, message: null }, JSON.stringify(large({ stop: true })));
    expect([event.mayHave('stop'), event.mayHave('forms'), parse.mock.calls.length]).toEqual([true, false, 0]);
    expect([event.mayHave('stop', true), event.mayHave('stop', false)]).toEqual([true, false]);
    expect(event.detail.message).toEqual(large({ stop: true }));
    expect(event.detail.message).toBe(event.detail.message);
    expect(parse.mock.calls.length).toBe(1);
    expect({ ...event.detail }).toMatchObject({ sequence: 1, message: { stop: true } });
    parse.mockRestore();
  });

  it('has the message itself if it is small', () => {
    const event = new GearwayFrameEvent({ ...FRAME, message: { stop: true } });
    expect([event.detail.message, event.mayHave('stop'), event.mayHave('forms')]).toEqual([{ stop: true }, true, true]);
  });
});

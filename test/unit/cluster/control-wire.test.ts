import { describe, expect, it } from 'vitest';
import { isControlAnswer, isControlState } from '../../../gateway/cluster/control-wire.ts';
import { decodeGatewayMessage, encodeMessage } from '../../../shared/protocol.ts';

const request = { port: 65_535, name: '\u{1f600}'.repeat(64), remainingMs: 10_000 };
const STATE = { port: 6000, name: '\u{1f600}'.repeat(64), since: new Date(0).toISOString(), requests: [request] };
const RESULT = { ok: false, code: 'x'.repeat(64), reason: 'x'.repeat(4096) };
const EVENT = { client: 'c1', notice: { code: 'control-lost', reason: 'x'.repeat(4096) } };
const ANSWER = { state: STATE, holder: 'c1', results: [RESULT], events: [EVENT] };

describe('the state of control from another gateway', () => {
  it('is accepted only if viewers can decode it', () => {
    const largest = { ...STATE, requests: Array(256).fill(request) as (typeof request)[] };
    expect(isControlState(largest)).toBe(true);
    const { port, name, requests } = largest;
    const message = encodeMessage({ type: 'controller', port, name, requests, ...EVENT.notice });
    expect(decodeGatewayMessage(message)).toMatchObject({ port, name, requests });
  });

  it.each([
    { port: 65_536 },
    { port: -1 },
    { port: 0.5 },
    { name: 'x'.repeat(257) },
    { since: 'x'.repeat(1000) },
    { requests: Array(257).fill(request) },
    { requests: [{ ...request, port: 1e9 }] },
    { requests: [{ ...request, name: 'x'.repeat(257) }] },
    { requests: [{ ...request, remainingMs: -1 }] },
    { requests: [{ ...request, remainingMs: 1e12 }] },
  ])('is refused otherwise', (changes) => {
    expect(isControlState({ ...STATE, ...changes })).toBe(false);
  });

  it.each([
    { results: [{ ...RESULT, code: 'x'.repeat(65) }] },
    { results: [{ ...RESULT, reason: 'x'.repeat(4097) }] },
    { results: [{ ok: true, port: 1e9 }] },
    { events: [{ ...EVENT, notice: { ...EVENT.notice, reason: 'x'.repeat(4097) } }] },
    { holder: 'x'.repeat(65) },
  ])('is refused in an answer with values that viewers do not accept', (changes) => {
    expect(isControlAnswer(ANSWER)).toBe(true);
    expect(isControlAnswer({ ...ANSWER, ...changes })).toBe(false);
  });
});

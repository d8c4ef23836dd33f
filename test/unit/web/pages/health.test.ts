import { describe, expect, it } from 'vitest';
import { type ClientStatus, type StreamStatus, SUSPENDED_REASON } from '../../../../shared/status.ts';
import { idleClientStatus } from '../../../helpers/client-status.ts';
import { clientHealth, streamHealth } from '../../../../web/pages/shared/health.ts';

const client = (changes: Partial<ClientStatus> = {}): ClientStatus => ({
  ...idleClientStatus('web-1', 6000),
  ...changes,
});
const stream = (changes: Partial<StreamStatus> = {}): StreamStatus => ({
  name: 'main',
  state: 'live',
  reason: 'frames arrive',
  source: { kind: 'netgear', address: '', state: 'connected', lastError: null, restarts: 0 },
  showable: true,
  frame: null,
  counters: { received: 1, receivedBytes: 1, rejected: 0, returnsRejected: 0, returnsDropped: 0, lastRejections: [] },
  ports: { ranges: [], free: 0, taken: 0, held: [], reserved: [] },
  awaited: [],
  clients: [],
  ...changes,
});

describe('streamHealth', () => {
  it('is live only while browsers can show the frames', () => {
    expect(streamHealth(stream())).toMatchObject({ tone: 'live', problem: '' });
    expect(streamHealth(stream({ showable: false, reason: 'two channels' }))).toMatchObject({
      tone: 'stale',
      problem: 'two channels',
    });
    expect(streamHealth(stream({ clients: [client({ state: 'unsupported', reason: '12 bits' })] }))).toMatchObject({
      tone: 'stale',
      problem: '12 bits',
    });
  });

  it('is live for gateways that do not report whether frames can be shown', () => {
    const { showable: _, ...older } = stream();
    expect(streamHealth(older)).toMatchObject({ tone: 'live' });
  });

  it.each([
    ['waiting', 'stale'],
    ['stale', 'stale'],
    ['ended', 'bad'],
  ] as const)('contains the reason why a stream is %s', (state, tone) => {
    expect(streamHealth(stream({ state, reason: 'because' }))).toMatchObject({ tone, problem: 'because' });
  });
});

describe('streamHealth of a suspended source', () => {
  const source = { ...stream().source, state: 'asleep' };
  const gateway = { name: 'hall', url: null, isHere: false };

  it.each([undefined, gateway])('is asleep, here and at another gateway', (home) => {
    const status = { state: 'waiting', source, reason: SUSPENDED_REASON } as const;
    expect(streamHealth(stream({ ...status, ...(home === undefined ? {} : { gateway: home }) }))).toMatchObject({
      tone: 'idle',
      label: 'Asleep',
    });
  });

  it('contains the reason of the other gateway, at which the source is not suspended', () => {
    expect(streamHealth(stream({ state: 'waiting', source, gateway, reason: 'waiting for a publisher' }))).toEqual({
      tone: 'stale',
      label: 'Waiting',
      problem: 'waiting for a publisher',
    });
  });
});

describe('clientHealth', () => {
  it('is green only while its stream is live and it gets all frames', () => {
    expect(clientHealth(client(), stream())).toEqual({ tone: 'live', label: 'Live', problem: '' });
    expect(clientHealth(client(), stream({ state: 'waiting' }))).toMatchObject({ tone: 'idle', label: 'Connected' });
    expect(clientHealth(client(), null)).toMatchObject({ tone: 'idle' });
    expect(clientHealth(client({ reason: 'reads 5 fps' }), stream())).toMatchObject({
      tone: 'stale',
      problem: 'reads 5 fps',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { sourceDown } from '../../../gateway/hub/readiness.ts';
import type { ClientState, StreamState, StreamStatus } from '../../../shared/status.ts';

const status = (state: StreamState, kind: string, sourceState: string, more: object = {}): StreamStatus =>
  ({
    name: 'door',
    state,
    reason: 'why',
    source: { kind, state: sourceState },
    clients: [],
    ...more,
  }) as unknown as StreamStatus;

describe('sourceDown', () => {
  it.each<[StreamState, string, string]>([
    ['waiting', 'ffmpeg', 'restarts in 4 s'],
    ['stale', 'netgear', 'running'],
  ])('reports a %s stream of %s', (state, kind, sourceState) => {
    expect(sourceDown(status(state, kind, sourceState))).toEqual({ stream: 'door', kind, reason: 'why' });
  });

  it.each<[StreamState, string, string]>([
    ['live', 'ffmpeg', 'running'],
    ['ended', 'ffmpeg', 'ended'],
    ['waiting', 'ffmpeg', 'asleep'],
    ['waiting', 'push', 'waiting for a publisher'],
  ])('does not report a %s stream of %s, %s', (state, kind, sourceState) => {
    expect(sourceDown(status(state, kind, sourceState))).toBeNull();
  });

  it.each<[isDown: boolean, isHere: boolean | null, clients: readonly ClientState[]]>([
    [true, true, []],
    [false, false, []],
    [false, false, ['paused', 'connecting']],
    [true, false, ['paused', 'live']],
    [false, null, []],
    [true, null, ['live']],
  ])('reports (%s) a source of a cluster that runs here (%s), with the clients %j', (isDown, isHere, states) => {
    const clients = states.map((state) => ({ state }));
    // Null: no gateway runs it.
    const gateway = isHere === null ? null : { name: 'A', url: null, isHere };
    const down = sourceDown(status('stale', 'ffmpeg', 'running', { gateway, clients }));
    expect(down !== null).toBe(isDown);
  });
});

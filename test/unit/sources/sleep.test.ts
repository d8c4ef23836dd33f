import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { sleep } from '../../../gateway/sources/sleep.ts';

describe('sleep', () => {
  it('resolves after the given time', async () => {
    const from = performance.now();
    await sleep(20, new AbortController().signal);
    expect(performance.now() - from).toBeGreaterThan(19);
    await sleep(0);
    await sleep(-1);
  });

  it.each([0, 1])('resolves when signal %i of two aborts, and removes its listener from the other', async (which) => {
    const controllers = [new AbortController(), new AbortController()];
    const done = sleep(3_600_000, ...controllers.map(({ signal }) => signal));
    controllers[which]!.abort();
    await done;
    expect(controllers.map(({ signal }) => getEventListeners(signal, 'abort').length)).toEqual([0, 0]);
    await sleep(3_600_000, ...controllers.map(({ signal }) => signal));
  });
});

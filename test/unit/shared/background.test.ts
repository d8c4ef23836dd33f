import { describe, expect, it, vi } from 'vitest';
import { containFailure, runInBackground } from '../../../shared/background.ts';

describe('runInBackground', () => {
  it('passes a rejection to its handler once', async () => {
    const failure = new Error('the peer sent nonsense');
    const failed = await new Promise((resolve) => runInBackground(Promise.reject(failure), resolve));
    expect(failed).toBe(failure);
  });

  it('calls no handler if the work succeeds', async () => {
    const onFailure = vi.fn<(error: unknown) => void>();
    const work = Promise.resolve(1);
    runInBackground(work, onFailure);
    await work;
    expect(onFailure).not.toHaveBeenCalled();
  });
});

describe('containFailure', () => {
  it('resolves after its handler', async () => {
    const order: string[] = [];
    await containFailure(Promise.reject(new Error('no')), () => order.push('handled'));
    order.push('resolved');
    expect(order).toEqual(['handled', 'resolved']);
  });

  it('resolves with undefined if the work succeeds', async () => {
    const onFailure = vi.fn<(error: unknown) => void>();
    expect(await containFailure(Promise.resolve(1), onFailure)).toBeUndefined();
    expect(onFailure).not.toHaveBeenCalled();
  });
});

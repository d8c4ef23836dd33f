import { describe, expect, it } from 'vitest';
import { minimize } from '../../fuzz/minimize.ts';

describe('minimize', () => {
  const numbers = Array.from({ length: 40 }, (_, n) => n);

  it('finds the one item that fails', async () => {
    expect(await minimize(numbers, async (some) => some.includes(23), 100)).toEqual([23]);
  });

  it('finds two items that fail together', async () => {
    expect(await minimize(numbers, async (some) => some.includes(3) && some.includes(31), 200)).toEqual([3, 31]);
  });

  it('keeps everything if nothing smaller fails, and stops in time', async () => {
    let runs = 0;
    const result = await minimize(
      numbers,
      async () => {
        runs += 1;
        return false;
      },
      10,
    );
    expect(result).toEqual(numbers);
    expect(runs).toBeLessThanOrEqual(10);
  });
});

import { describe, expect, it } from 'vitest';
import { splitName } from '../../../../web/pages/shared/split-name.ts';

describe('splitName', () => {
  it.each([
    ['workshop-north', 'workshop', '-north'],
    ['door', 'door', ''],
    ['loading-dock', 'loading-dock', ''],
    ['loading-dock1', 'loading', '-dock1'],
  ])('keeps the end of %s', (name, head, tail) => {
    expect(splitName(name)).toEqual({ head, tail });
  });

  it('loses no character', () => {
    for (const name of ['', 'a', 'x'.repeat(64)]) {
      const { head, tail } = splitName(name);
      expect(head + tail).toBe(name);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { capitalize, sentence } from '../../../../web/pages/shared/text.ts';

describe('capitalize', () => {
  it.each([
    ['frames arrive', 'Frames arrive'],
    ['the file is missing: see a.yaml', 'The file is missing: see a.yaml'],
    ['gateway.yaml:7:5: unknown key', 'gateway.yaml:7:5: unknown key'],
    ['http://127.0.0.1:9 does not answer', 'http://127.0.0.1:9 does not answer'],
    ['/etc/gearway/token: permission denied', '/etc/gearway/token: permission denied'],
    ['', ''],
  ])('writes %s as %s', (text, expected) => {
    expect(capitalize(text)).toBe(expected);
  });
});

describe('sentence', () => {
  it('ends a reason with one full stop', () => {
    expect([sentence('wrong name'), sentence('Wrong name.'), sentence('')]).toEqual(['Wrong name.', 'Wrong name.', '']);
  });
});

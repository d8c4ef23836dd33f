import { describe, expect, it } from 'vitest';
import { suggest } from '../../../gateway/config/suggest.ts';

const NAMES = ['source', 'virtualPorts', 'port', 'host', 'onClose'];

describe('suggest', () => {
  it.each([
    ['sorce', 'source'],
    ['soruce', 'source'],
    ['virtual-ports', 'virtualPorts'],
    ['VIRTUALPORTS', 'virtualPorts'],
    ['prot', 'port'],
    ['on_close', 'onClose'],
  ])('suggests for %s %s', (text, name) => {
    expect(suggest(text, NAMES)).toBe(name);
  });

  it.each(['', 'x', 'xylophone', 'camera', 's'.repeat(100_000)])('suggests nothing for %.20s', (text) => {
    expect(suggest(text, NAMES)).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import { checkModes, type Modes } from '../../../gateway/netgear/modes.ts';

const invalid: unknown = expect.objectContaining({ name: 'GearwayError', code: 'modes-invalid' });

const PLAIN: Modes = { pattern: 'pair', multiclient: false, multiserver: false, bidirectional: false, ports: 1 };

describe('checkModes', () => {
  it.each<Partial<Modes>>([
    {},
    { pattern: 'request-reply' },
    { pattern: 'publish-subscribe' },
    { bidirectional: true },
    { pattern: 'request-reply', bidirectional: true },
    { pattern: 'request-reply', multiclient: true, ports: 3 },
    { pattern: 'request-reply', multiclient: true, bidirectional: true, ports: 3 },
    { pattern: 'publish-subscribe', multiclient: true, ports: 3 },
    { pattern: 'request-reply', multiserver: true, ports: 3 },
    { pattern: 'request-reply', multiserver: true, bidirectional: true, ports: 3 },
    { pattern: 'publish-subscribe', multiserver: true, ports: 3 },
  ])('accepts %j', (modes) => {
    expect(() => checkModes({ ...PLAIN, ...modes })).not.toThrow();
  });

  // NetGear raises ValueError for each of them.
  it.each<Partial<Modes>>([
    { pattern: 'request-reply', multiclient: true, multiserver: true },
    { pattern: 'publish-subscribe', multiclient: true, multiserver: true },
    { multiclient: true },
    { multiserver: true },
    { pattern: 'publish-subscribe', bidirectional: true },
    { pattern: 'publish-subscribe', bidirectional: true, multiclient: true },
  ])('refuses %j', (modes) => {
    expect(() => checkModes({ ...PLAIN, ...modes })).toThrow(invalid);
  });

  it.each(['pair', 'request-reply', 'publish-subscribe'] as const)(
    'refuses two ports without a mode for several ports, pattern %s',
    (pattern) => {
      expect(() => checkModes({ ...PLAIN, pattern, ports: 2 })).toThrow(invalid);
    },
  );
});

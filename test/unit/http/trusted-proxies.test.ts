import { describe, expect, it } from 'vitest';
import { trustedProxies } from '../../../gateway/http/trusted-proxies.ts';

describe('trustedProxies', () => {
  it.each([
    [['loopback'], '127.9.8.7', true],
    [['loopback'], '::1', true],
    [['loopback'], '::ffff:127.0.0.1', true],
    [['loopback'], '10.0.0.1', false],
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['192.0.2.7', '2001:db8::/32'], '192.0.2.7', true],
    [['192.0.2.7', '2001:db8::/32'], '192.0.2.8', false],
    [['192.0.2.7', '2001:db8::/32'], '2001:db8:1::1', true],
    [['2001:db8::7'], '2001:db8::7', true],
    [['2001:db8::7'], '2001:db8::8', false],
    [[], '127.0.0.1', false],
    [['loopback'], undefined, false],
  ])('%j: %s is trusted: %s', (proxies, address, isTrusted) => {
    expect(trustedProxies(proxies)(address)).toBe(isTrusted);
  });
});

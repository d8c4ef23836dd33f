import { describe, expect, it } from 'vitest';
import { addressKey, type Share, shareRefusalStatus, Shares } from '../../../gateway/hub/shares.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('Shares', () => {
  it('grants the maximum in total, and per address', () => {
    const shares = new Shares('things', { inAll: 5, perAddress: 2 });
    shares.acquire('a');
    shares.acquire('a');
    expect(() => shares.acquire('a')).toThrow(coded('address-limit'));
    shares.acquire('b');
    shares.acquire('b');
    shares.acquire('c');
    expect(() => shares.acquire('d')).toThrow(coded('too-many'));
    expect(shares.count).toBe(5);
  });

  it('reserves some for administrators, regardless of the use by their address', () => {
    const shares = new Shares('things', { inAll: 2, perAddress: 1, forAdministrators: 2 });
    shares.acquire('a');
    shares.acquire('b');
    expect(() => shares.acquire('c')).toThrow(coded('too-many'));
    shares.acquire('a', true);
    const last = shares.acquire('c', true);
    expect(() => shares.acquire('d', true)).toThrow(coded('too-many'));
    last.release();
    expect(() => shares.acquire('d')).toThrow(coded('too-many'));
    shares.acquire('d', true);
    const plain = new Shares('things', { inAll: 2, perAddress: 1 });
    plain.acquire('a', true);
    expect(() => plain.acquire('a', true)).toThrow(coded('address-limit'));
  });

  it('releases each share once, and stores nothing for an address without any', () => {
    const shares = new Shares('things', { inAll: 2, perAddress: 1 });
    const [first] = [shares.acquire('a'), shares.acquire('b')];
    first.release();
    first.release();
    expect(shares.count).toBe(1);
    expect(shares.addresses).toBe(1);
    shares.acquire('a');
    expect(() => shares.acquire('c')).toThrow(coded('too-many'));
  });

  it('releases everything after any sequence of users', () => {
    const shares = new Shares('things', { inAll: 50, perAddress: 7 });
    const held: Share[] = [];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 20_000; round += 1) {
      if (random(2) === 0) {
        try {
          held.push(shares.acquire(`a${random(20)}`));
        } catch (error) {
          expect(shareRefusalStatus(error)).not.toBeNull();
        }
      } else held.splice(random(held.length + 1), 1)[0]?.release();
      expect(shares.count).toBe(held.length);
    }
    for (const share of held) share.release();
    expect([shares.count, shares.addresses]).toEqual([0, 0]);
  });
});

describe('shareRefusalStatus', () => {
  it('distinguishes an excessive client from a full gateway, and both from other errors', () => {
    const shares = new Shares('things', { inAll: 1, perAddress: 1 });
    const refusal = (address: string): unknown => {
      try {
        return shares.acquire(address);
      } catch (error) {
        return error;
      }
    };
    refusal('a');
    expect(shareRefusalStatus(refusal('b'))).toBe(503);
    expect(shareRefusalStatus(new Error('anything'))).toBeNull();
    const own = new Shares('things', { inAll: 2, perAddress: 0 });
    expect(() => own.acquire('a')).toThrow(coded('address-limit'));
    try {
      own.acquire('a');
    } catch (error) {
      expect(shareRefusalStatus(error)).toBe(429);
    }
  });
});

describe('addressKey', () => {
  it.each([
    ['192.168.1.7', '192.168.1.7'],
    ['::ffff:192.168.1.7', '192.168.1.7'],
    ['::FFFF:192.168.1.7', '192.168.1.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['127.0.0.1', '127.0.0.1'],
    ['127.255.0.9', '127.0.0.1'],
    ['::ffff:127.0.0.2', '127.0.0.1'],
    ['::1', '127.0.0.1'],
    ['128.0.0.1', '128.0.0.1'],
    ['::2', '0:0:0:0::/64'],
    ['', ''],
  ])('converts %s to %s', (ip, key) => {
    expect(addressKey(ip)).toBe(key);
  });

  it('accepts a connection without an address', () => {
    expect(addressKey(undefined)).toBe('');
  });
});

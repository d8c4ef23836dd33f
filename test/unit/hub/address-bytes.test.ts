import { describe, expect, it } from 'vitest';
import { AddressBytes } from '../../../gateway/hub/address-bytes.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('AddressBytes', () => {
  it('grants half of the bytes to one address, and the rest to others', () => {
    const bytes = new AddressBytes(100);
    bytes.reserve('a', 30);
    bytes.reserve('a', 20);
    expect(() => bytes.reserve('a', 1)).toThrow(coded('address-limit'));
    bytes.reserve('b', 40);
    bytes.reserve('c', 10);
    expect(() => bytes.reserve('d', 1)).toThrow(coded('busy'));
  });

  it('releases them, and stores nothing for an address without any', () => {
    const bytes = new AddressBytes(100);
    const release = bytes.reserve('a', 50);
    expect(() => bytes.reserve('a', 50)).toThrow(coded('address-limit'));
    release();
    expect(bytes.addresses).toBe(0);
    bytes.reserve('a', 50)();
    expect(() => bytes.reserve('b', 51)).toThrow(coded('address-limit'));
    expect(bytes.addresses).toBe(0);
  });
});

import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { networkUrls } from '../../../gateway/http/network-urls.ts';

const ipv4 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  internal,
  family: 'IPv4',
  netmask: '255.255.255.0',
  mac: '',
  cidr: null,
});
const ipv6 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  internal,
  family: 'IPv6',
  netmask: '',
  mac: '',
  cidr: null,
  scopeid: 0,
});

const INTERFACES = {
  lo: [ipv4('127.0.0.1', true), ipv6('::1', true)],
  docker0: [ipv4('172.17.0.1')],
  eth0: [ipv6('fe80::1'), ipv6('2001:db8::7'), ipv4('192.168.1.20')],
  usb0: [ipv4('169.254.3.4')],
};

describe('networkUrls', () => {
  it('lists the addresses of the machine, those of containers last', () => {
    expect(networkUrls({ address: '0.0.0.0', family: 'IPv4', port: 8080 }, false, INTERFACES)).toEqual([
      'http://192.168.1.20:8080/',
      'http://172.17.0.1:8080/',
    ]);
  });

  it('includes IPv6 where the gateway listens on it, and https with TLS', () => {
    expect(networkUrls({ address: '::', family: 'IPv6', port: 8443 }, true, INTERFACES)).toEqual([
      'https://192.168.1.20:8443/',
      'https://[2001:db8::7]:8443/',
      'https://172.17.0.1:8443/',
    ]);
  });

  it('lists the one address on which the gateway listens', () => {
    expect(networkUrls({ address: '192.168.1.20', family: 'IPv4', port: 80 }, false, INTERFACES)).toEqual([
      'http://192.168.1.20/',
    ]);
  });

  it.each(['127.0.0.1', '::1'])('is empty on %s, which is unreachable from other machines', (address) => {
    expect(
      networkUrls({ address, family: address === '::1' ? 'IPv6' : 'IPv4', port: 8080 }, false, INTERFACES),
    ).toEqual([]);
  });

  it('lists at most four', () => {
    const many = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`eth${index}`, [ipv4(`10.0.0.${index + 1}`)]]),
    );
    expect(networkUrls({ address: '0.0.0.0', family: 'IPv4', port: 8080 }, false, many)).toHaveLength(4);
  });
});

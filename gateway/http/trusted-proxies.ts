import { BlockList, isIPv6 } from 'node:net';

/** Whether a TCP peer is a proxy whose `X-Forwarded-*` headers are trusted. */
export type IsTrustedProxy = (address: string | undefined) => boolean;

/** @param proxies validated IP addresses, ranges such as `10.0.0.0/8`, and `loopback`. */
export function trustedProxies(proxies: readonly string[]): IsTrustedProxy {
  const list = new BlockList();
  const add = (address: string, bits?: number): void =>
    list.addSubnet(address, bits ?? (isIPv6(address) ? 128 : 32), family(address));
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/');
    if (proxy !== 'loopback') add(address, bits === undefined ? undefined : Number(bits));
    else {
      add('127.0.0.0', 8);
      add('::1');
    }
  }
  return (address) => address !== undefined && list.check(address, family(address));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

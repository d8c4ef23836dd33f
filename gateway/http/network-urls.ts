import type { AddressInfo } from 'node:net';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';

/** Maximum number of addresses, because machines with containers have one network per bridge. */
const MAX_URLS = 4;

/** Names of interfaces whose networks are inside this machine: bridges of Docker, libvirt and LXC. */
const INNER_NETWORK = /^(?:docker|br-|veth|virbr|lxc|lxd|cni|flannel|podman)/;

/**
 * Addresses of this machine in its networks at which a browser on another machine reaches the gateway, each with a trailing slash; IPv4 first, networks of containers last. Empty if the gateway serves this machine only.
 *
 * @param listening where the HTTP server listens.
 * @param interfaces as `os.networkInterfaces()` returns them.
 */
export function networkUrls(
  listening: AddressInfo,
  isTls: boolean,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string[] {
  const { address: host, port } = listening;
  const own = Object.entries(interfaces).flatMap(([name, addresses = []]) =>
    addresses.map((address) => ({ name, ...address })),
  );
  const isWildcard = host === '0.0.0.0' || host === '::';
  const reachable = own.filter(({ address, family, internal }) => {
    if (internal || isLinkLocal(address)) return false;
    return isWildcard ? host === '::' || family === 'IPv4' : address === host;
  });
  const rank = ({ name, family }: { readonly name: string; readonly family: string }): number =>
    (INNER_NETWORK.test(name) ? 2 : 0) + (family === 'IPv4' ? 0 : 1);
  return reachable
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MAX_URLS)
    .map(
      ({ address, family }) =>
        new URL(`${isTls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}/`).href,
    );
}

/** Link-local addresses are unusable: they need a zone, which browsers do not support in URLs. */
function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}

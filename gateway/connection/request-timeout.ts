import type { Duplex } from 'node:stream';

/** Connections whose current request is exempt from the request timeout. */
const exempt = new WeakSet<Duplex>();

/**
 * Exempts the current request of a connection from the server's request timeout, for a body of unlimited duration.
 *
 * @returns a function that ends the exemption.
 */
export function exemptFromTimeout(socket: Duplex): () => void {
  exempt.add(socket);
  return () => {
    exempt.delete(socket);
  };
}

export function isExemptFromTimeout(socket: Duplex): boolean {
  return exempt.has(socket);
}

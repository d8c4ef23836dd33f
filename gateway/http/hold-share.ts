import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressKey, type Shares } from '../hub/shares.ts';
import { clientAddress } from './client-address.ts';
import { mayAdminister } from './rights.ts';

/**
 * Acquires a share for a response, and releases it when the response has closed: a picture takes memory until its peer
 * has read it.
 *
 * @throws {GearwayError} like {@link Shares.acquire}.
 */
export function holdShare(shares: Shares, request: FastifyRequest, { raw }: FastifyReply): void {
  const share = shares.acquire(addressKey(clientAddress(request)), mayAdminister(request));
  if (raw.destroyed) share.release();
  else raw.once('close', () => share.release());
}

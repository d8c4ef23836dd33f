import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressKey, type Shares } from '../hub/shares.ts';
import { clientAddress } from './client-address.ts';
import { mayAdminister } from './rights.ts';

/**
 * Takes a share for a response, and gives it back when that has closed, whichever way: a picture takes memory until its peer has read it.
 *
 * @throws {GearwayError} as {@link Shares.acquire}.
 */
export function holdShare(shares: Shares, request: FastifyRequest, { raw }: FastifyReply): void {
  const share = shares.acquire(addressKey(clientAddress(request)), mayAdminister(request));
  if (raw.destroyed) share.release();
  else raw.once('close', () => share.release());
}

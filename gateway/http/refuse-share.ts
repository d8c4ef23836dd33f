import type { FastifyReply } from 'fastify';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { shareRefusalStatus } from '../hub/shares.ts';

/** Seconds after which a refused client may ask again. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Answers a refused share: 429 `address-limit` or 503 `too-many`, with Retry-After.
 *
 * @throws any other error as it is.
 */
export function refuseShare(reply: FastifyReply, error: unknown): FastifyReply {
  const status = shareRefusalStatus(error);
  if (status === null || !(error instanceof GearwayError)) throw error;
  return reply.code(status).header('retry-after', String(RETRY_AFTER_SECONDS)).send({ code: error.code, message: errorText(error) });
}

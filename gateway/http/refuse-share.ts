import type { FastifyReply } from 'fastify';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { shareRefusalStatus } from '../hub/shares.ts';

/** Value of Retry-After. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Responds to a refused share with 429 `address-limit` or 503 `too-many`, and Retry-After.
 *
 * @throws any other error unchanged.
 */
export function refuseShare(reply: FastifyReply, error: unknown): FastifyReply {
  const status = shareRefusalStatus(error);
  if (status === null || !(error instanceof GearwayError)) throw error;
  return reply
    .code(status)
    .header('retry-after', String(RETRY_AFTER_SECONDS))
    .send({ code: error.code, message: errorText(error) });
}

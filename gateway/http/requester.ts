import type { FastifyRequest } from 'fastify';
import type { EventActor } from '../../shared/status.ts';
import { clientAddress } from './client-address.ts';

/**
 * Identity of a request's sender, for the log and audit events: the name of its token or user, and its address. The
 * only function that names a sender.
 */
export function requester(request: FastifyRequest): EventActor {
  return { principal: request.principal?.name ?? 'unknown', address: clientAddress(request) };
}

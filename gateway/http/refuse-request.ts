import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendRefusal } from './refusals.ts';

/** How long a client that is still sending its body has to read a refusal. */
const LINGER_MS = 1000;

/** Answers with a refusal. A client that is still sending its body can read it and is then disconnected. */
export function refuseRequest(request: FastifyRequest, reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  const { raw } = request;
  // Node reads the end of a request without a body only after this.
  const hasBody = raw.headers['transfer-encoding'] !== undefined || (raw.headers['content-length'] ?? '0') !== '0';
  if (hasBody && !raw.complete && !raw.destroyed) {
    const timer = setTimeout(() => raw.destroy(), LINGER_MS);
    timer.unref();
    raw.once('close', () => clearTimeout(timer));
  }
  return sendRefusal(request, reply, { status, code, message });
}

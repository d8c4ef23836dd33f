import { GearwayError, errorText } from '../../../shared/errors.ts';
import { isCertificateError } from '../../../shared/system-errors.ts';
import type { HttpAnswer } from './http-answer.ts';

/** Reasons for failed connections, by Node's error code. */
const CONNECTIONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing is listening at this address'],
  ['ENOTFOUND', 'unknown host name'],
  ['EAI_AGAIN', 'unknown host name'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the host cannot be reached'],
  ['ETIMEDOUT', 'the server no longer responds'],
  ['ECONNRESET', 'the server has closed the connection'],
  ['EPIPE', 'the server has closed the connection'],
  ['EPROTO', 'the server does not use TLS, or an unsupported version: try http: instead of https:'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'the server does not use TLS: try http: instead of https:'],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'the server does not use TLS: try http: instead of https:'],
]);

/**
 * Explains why a request has failed.
 *
 * @param origin of the server, without credentials.
 */
export function explainConnectionError(error: unknown, origin: string): GearwayError {
  if (error instanceof GearwayError)
    return new GearwayError(error.code, `${error.message} (${origin})`, { cause: error });
  // If a name has several addresses, the errors of all attempts are collected.
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  const { code = '' } = (first ?? error) as NodeJS.ErrnoException;
  if (isCertificateError(code)) {
    return new GearwayError(
      'source-failed',
      `the server's certificate cannot be verified; if it is your camera, accept any with certificate=any (${origin}: ${errorText(error)})`,
      { cause: error },
    );
  }
  return new GearwayError(
    'source-failed',
    `${CONNECTIONS.get(code) ?? 'the connection failed'} (${origin}${code === '' ? '' : `: ${code}`})`,
    { cause: error },
  );
}

/** Explains a status from 400 on. */
export function explainStatus({ status, statusText }: HttpAnswer, origin: string): GearwayError {
  return new GearwayError(
    'source-failed',
    `${meaningOf(status)} (${origin}: ${`${status} ${statusText.slice(0, 64)}`.trim()})`,
  );
}

function meaningOf(status: number): string {
  switch (status) {
    case 401:
      return 'wrong or missing user name and password: http://USER:PASSWORD@HOST/…';
    case 403:
      return 'the server refuses access';
    case 404:
      return 'the server has no stream at this path';
    case 503:
      return 'the server refuses the request; some cameras serve one client at a time';
    default:
      return 'the server refuses the request';
  }
}

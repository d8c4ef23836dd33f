import { GearwayError } from '../../shared/errors.ts';
import { systemErrorCode, systemErrorText } from '../../shared/system-errors.ts';
import type { Refusal } from './refusal-page.ts';

/** Status by error code. Any other `GearwayError` is about the content of the request: 400. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['busy', 503],
  ['closed', 503],
  ['cluster-unreachable', 503],
  ['too-large', 413],
  ['too-many', 409],
  ['port-taken', 409],
  ['stream-unknown', 404],
  ['share-unknown', 404],
  ['stream-exists', 412],
  ['stream-required', 409],
  ['not-allowed', 403],
  ['config-missing', 409],
  ['config-overridden', 409],
  ['config-changed', 409],
  ['config-not-written', 507],
  ['state-not-written', 507],
  ['no-picture', 409],
  ['source-busy', 409],
  ['dtype-unsupported', 501],
  ['channels-unsupported', 501],
  ['jpeg-unsupported', 501],
  // A damaged picture of the source or of a client: the next one may be valid.
  ['picture-invalid', 503],
]);

/** System errors caused by an address or a name in the request. */
const BY_ADDRESS: ReadonlySet<string> = new Set([
  'EINVAL',
  'ENODEV',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_NONAME',
  'ENAMETOOLONG',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * The refusal for an error that a route has thrown, so that a user's mistake never results in a 500. Only refused
 * shares have other statuses, and so do the routes for publishers, whose clients must distinguish more cases.
 * @returns null for a fault of the gateway.
 */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof GearwayError)
    return { status: STATUSES.get(error.code) ?? 400, code: error.code, message: error.message };
  const code = systemErrorCode(error);
  if (code === null || !BY_ADDRESS.has(code)) return null;
  return { status: 400, code: 'address-invalid', message: systemErrorText(error) };
}

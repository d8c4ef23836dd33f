import { GearwayError } from '../../shared/errors.ts';
import { hasUnencodedPassword } from './redactor.ts';

/**
 * Adds a hint if the password of an address is not percent-encoded, because a part of it may then be parsed as a
 * host, a port or a path.
 */
export function withPasswordHint(error: unknown, address: string): unknown {
  if (!(error instanceof GearwayError) || error.code !== 'source-failed' || !hasUnencodedPassword(address))
    return error;
  const hint =
    'characters such as # / ? @ % and spaces in a password must be percent-encoded, as %23 %2F %3F %40 %25 %20';
  return new GearwayError(error.code, `${error.message}; ${hint}`, { cause: error });
}

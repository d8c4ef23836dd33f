import { errorText } from '../../shared/errors.ts';

/** Whether a request failed immediately, because its subject has no subscriber. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof Error && (NAMES.includes(error.name) || isNoResponders(error.cause));
}

/** Names of these errors in the library, including that of JetStream. */
const NAMES = ['NoResponders', 'NoRespondersError', 'JetStreamNotEnabled'];

/** Why a request to another gateway was not answered, as a phrase. */
export function requestFailure(error: unknown): string {
  if (isNoResponders(error)) return 'it is not connected to the NATS servers';
  return error instanceof Error && error.name === 'TimeoutError' ? 'it does not answer' : errorText(error);
}

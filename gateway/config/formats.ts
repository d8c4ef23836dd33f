import { GearwayError } from '../../shared/errors.ts';
import { parseClusterAddress } from '../cluster/cluster-address.ts';
import { redactorOfUrls } from '../sources/redactor.ts';
import { resolveClient, splitName } from './client-address.ts';
import { parseScryptHash } from '../rights/scrypt-hash.ts';
import { parseBitrate } from './bit-rate.ts';
import type { Formats } from './config-file.ts';
import {
  checkListenHost,
  checkOrigin,
  checkToken,
  parseRanges,
  resolveHost,
  resolveProxy,
  resolvePublicUrl,
} from './options.ts';
import { checkJwks, checkJwtSecret, checkStreamName, parseExpiry } from './rights-options.ts';
import { checkWebhookSecret, checkWebhookUrl } from './webhook-options.ts';

/**
 * The checks of the schema's `format`s.
 *
 * @param checkSource checks a source URL.
 */
export function createFormats(checkSource: (url: string) => void): Formats {
  return {
    source: (text) =>
      withoutSecrets(text, () => {
        refuseName(text, 'source');
        checkSource(text);
      }),
    client: (text) =>
      withoutSecrets(text, () => {
        refuseName(text, 'client');
        resolveClient(text);
      }),
    'listed-client': (text) => withoutSecrets(text, () => resolveClient(text)),
    'virtual-ports': (text) => parseRanges(text),
    bitrate: (text) => parseBitrate(text),
    path: (text) => {
      if (text === '') throw new GearwayError('option-invalid', 'the path is empty, expected a file');
      if (/\p{Cc}/u.test(text))
        throw new GearwayError(
          'option-invalid',
          'the path has a control character; write it in single quotes or without quotes, because in double quotes \\ has another meaning',
        );
    },
    'listen-host': checkListenHost,
    origin: checkOrigin,
    host: (text) => resolveHost(text),
    proxy: (text) => resolveProxy(text),
    'public-url': (text) => withoutSecrets(text, () => resolvePublicUrl(text)),
    cluster: (text) => parseClusterAddress(text),
    token: checkToken,
    'token-hash': (text) => parseScryptHash(text),
    'stream-name': checkStreamName,
    'jwt-secret': checkJwtSecret,
    jwks: checkJwks,
    'webhook-url': checkWebhookUrl,
    'webhook-secret': checkWebhookSecret,
    time: (text) => parseExpiry(text),
  };
}

/** Refuses `NAME=` before a value that belongs to a stream. */
function refuseName(text: string, what: string): void {
  if (splitName(text).stream !== null)
    throw new GearwayError(
      'option-invalid',
      `the ${what} names a stream, expected an address only, because it already belongs to one`,
    );
}

/** Runs a check whose errors may quote an address with a password. */
function withoutSecrets(address: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw redactorOfUrls([address]).error(error);
  }
}

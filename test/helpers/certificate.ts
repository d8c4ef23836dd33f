import { readFileSync } from 'node:fs';

/**
 * A self-signed certificate for `localhost` and 127.0.0.1, and its key: `openssl req -x509 -newkey ec -pkeyopt
 * ec_paramgen_curve:P-256 -nodes`.
 */
export function readCertificate(): { readonly cert: string; readonly key: string } {
  const read = (name: string): string => readFileSync(new URL(`./certificate/${name}.pem`, import.meta.url), 'utf8');
  return { cert: read('cert'), key: read('key') };
}

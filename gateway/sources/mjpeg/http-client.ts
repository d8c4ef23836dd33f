import { GearwayError } from '../../../shared/errors.ts';
import { formatOrigin, type HttpAddress, redirectedAddress } from './http-address.ts';
import { HttpAnswer, type HttpRequest } from './http-answer.ts';
import { HttpAuthentication } from './http-authentication.ts';
import { explainConnectionError, explainStatus } from './http-failure.ts';

const MAX_REDIRECTS = 5;

/** Maximum time until the headers of the last response are complete, with redirects and authentication. */
const RESPONSE_TIMEOUT_MS = 30_000;

/** Maximum number of attempts to authenticate: servers may invalidate a nonce at any time. */
const MAX_ATTEMPTS = 3;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Requests to one URL: follows redirects and authenticates. */
export class HttpClient {
  readonly #address: HttpAddress;
  readonly #acceptsAnyCertificate: boolean;
  readonly #authentication: HttpAuthentication | null;
  readonly #responseTimeoutMs: number;

  constructor(
    address: HttpAddress,
    {
      acceptsAnyCertificate,
      responseTimeoutMs = RESPONSE_TIMEOUT_MS,
    }: { readonly acceptsAnyCertificate: boolean; readonly responseTimeoutMs?: number },
  ) {
    this.#address = address;
    this.#responseTimeoutMs = responseTimeoutMs;
    this.#acceptsAnyCertificate = acceptsAnyCertificate;
    this.#authentication = address.credentials === null ? null : new HttpAuthentication(address.credentials);
  }

  /** The server, without credentials. */
  get origin(): string {
    return formatOrigin(this.#address);
  }

  /**
   * @returns a response with a status below 400; the caller closes it.
   * @throws {GearwayError} `source-failed`; the signal's reason.
   */
  async get(headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer> {
    let address = this.#address;
    const headUntilMs = performance.now() + this.#responseTimeoutMs;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const isForeign = formatOrigin(address) !== this.origin;
      const answer = await this.#ask({
        address,
        headers,
        signal,
        acceptsAnyCertificate: this.#acceptsAnyCertificate,
        isForeign,
        headUntilMs,
      });
      const location = answer.header('location');
      if (!REDIRECTS.has(answer.status) || location === undefined) {
        if (answer.status < 400) return answer;
        answer.close();
        throw explainStatus(answer, formatOrigin(address));
      }
      answer.close();
      address = redirectedAddress(address, location);
    }
    throw new GearwayError('source-failed', `the server redirects more than ${MAX_REDIRECTS} times`);
  }

  /** Sends a request, and repeats it with credentials if the server requests them and may receive them. */
  async #ask(request: HttpRequest): Promise<HttpAnswer> {
    const { address } = request;
    const authentication = address.credentials === null ? null : this.#authentication;
    // The challenges of earlier requests may have expired.
    let isFresh = false;
    for (let attempt = 1; ; attempt += 1) {
      const authorization = authentication?.header(address.path) ?? null;
      const headers = authorization === null ? request.headers : { ...request.headers, Authorization: authorization };
      const answer = await HttpAnswer.open({ ...request, headers }).catch((error: unknown) => {
        request.signal.throwIfAborted();
        throw explainConnectionError(error, formatOrigin(address));
      });
      if (answer.status !== 401 || authentication === null || attempt === MAX_ATTEMPTS) return answer;
      const challenges = answer.headers.filter(([name]) => name === 'www-authenticate').map(([, value]) => value);
      const accepted = authentication.accept(challenges);
      if (accepted === null || (accepted === 'supported' && isFresh)) return answer;
      isFresh = true;
      answer.close();
    }
  }
}

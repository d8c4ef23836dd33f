import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { FastifyInstance, FastifyRequest } from 'fastify';

export interface TrustedNamesOptions {
  /** Address that the gateway listens on. */
  readonly host: string;
  /** Origins of other sites whose pages may embed the viewer. */
  readonly allowOrigins: readonly string[];
}

/** The host names that the gateway answers to, and the origins whose pages may use it. */
export class TrustedNames {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, allowOrigins }: TrustedNamesOptions) {
    this.#names = new Set(['localhost', host.toLowerCase(), hostname().toLowerCase()]);
    this.#origins = new Set(allowOrigins);
  }

  /** Origins that may show our pages in a frame, as the `frame-ancestors` directive of Content-Security-Policy lists them. */
  get frameAncestors(): string {
    return ["'self'", ...this.#origins].join(' ');
  }

  /**
   * Whether a Host header names this gateway. DNS rebinding points an attacker's name at our address, but cannot make a
   * browser send our address or name as Host: IP addresses are therefore accepted, and names must be ours.
   */
  isOurHost(header: string | undefined): boolean {
    const name = hostName(header);
    return name !== null && (isIP(name) !== 0 || this.#names.has(name));
  }

  /** Whether a page of this origin may use the gateway. Without an Origin the request is a navigation or not from a browser. */
  isAllowedOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return true;
    return this.#origins.has(origin) || origin === `http://${host}` || origin === `https://${host}`;
  }

  /**
   * Whether a page of another origin embeds the response without revealing that origin, as `<img src>` does: the origin
   * cannot be checked then. Browsers report this to loopback addresses and over TLS (https://www.w3.org/TR/fetch-metadata/);
   * elsewhere `Cross-Origin-Resource-Policy` makes them discard the response.
   */
  isAnonymousEmbedding(headers: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    return headers.origin === undefined && headers['sec-fetch-mode'] === 'no-cors' && site !== undefined && site !== 'same-origin' && site !== 'none';
  }

  /** Whether another origin is listed by name, so that its pages may read responses. */
  isListedOrigin(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin);
  }
}

/** Adds the checks of Host and Origin before all routes, and the headers that belong to them. 421 for an unknown Host, 403 for a foreign origin. */
export function checkRequestOrigin(app: FastifyInstance, names: TrustedNames): void {
  app.addHook('onRequest', async (request, reply) => {
    const { host, origin } = request.headers;
    if (!names.isOurHost(host)) {
      return reply.code(421).send({ code: 'host-unknown', message: `this gateway does not answer to the name ${JSON.stringify(host)}; use its address, or --host` });
    }
    // Pages of every origin may load the elements' scripts. Requests that the scripts make are checked by the page's origin.
    if (isPublicScript(request)) {
      reply.header('access-control-allow-origin', '*');
      reply.header('cross-origin-resource-policy', 'cross-origin');
      return undefined;
    }
    if (!names.isAllowedOrigin(origin, host)) {
      return reply.code(403).send({ code: 'origin-not-allowed', message: `pages of ${origin} may not use this gateway; start it with --allow-origin ${origin}` });
    }
    if (names.isListedOrigin(origin)) {
      reply.header('access-control-allow-origin', origin);
      reply.header('access-control-allow-headers', 'authorization, content-type, gearway-message, gearway-captured-at');
      reply.header('access-control-allow-methods', 'GET, POST, DELETE');
      reply.header('vary', 'origin');
    } else {
      reply.header('cross-origin-resource-policy', 'same-origin');
    }
    if (names.isAnonymousEmbedding(request.headers)) {
      return reply.code(403).send({ code: 'origin-not-allowed', message: 'a page of another origin may use this only if it says which: write <img crossorigin="anonymous">, and start the gateway with --allow-origin and that origin' });
    }
    reply.header('x-content-type-options', 'nosniff');
    // Prevents clickjacking: a foreign page that frames the console could trick its visitors into returning data.
    reply.header('content-security-policy', `frame-ancestors ${names.frameAncestors}`);
    if (request.method === 'OPTIONS') return reply.code(204).send();
    return undefined;
  });
}

function hostName(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+))(?::\d{1,5})?$/.exec(header ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}

function isPublicScript(request: FastifyRequest): boolean {
  const [path = ''] = request.url.split('?');
  // The elements, their workers, and the files that they load on demand: all of them are built as gearway-*.js.
  return /^\/gearway-[a-z-]+\.js(?:\.map)?$/.test(path);
}

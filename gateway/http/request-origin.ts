import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Refusal } from './refusal-page.ts';
import { refuse, type RefusalLog } from './refusals.ts';
import type { SecurityHeaders } from './security-headers.ts';
import { originOf, parseHost, type TrustedNames } from './trusted-names.ts';

interface RequestOriginOptions {
  readonly names: TrustedNames;
  readonly headers: SecurityHeaders;
  readonly log: RefusalLog;
}

/**
 * Adds the checks of Host and Origin before all routes, and the headers of every response.
 *
 * Refusals: 421 for an unknown Host, 403 for a foreign origin, 426 for a WebSocket whose Upgrade header a proxy has
 * dropped. Each is logged once, with the remedy.
 */
export function checkRequestOrigin(app: FastifyInstance, { names, headers, log }: RequestOriginOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    headers.set(request, reply);
    const refusal = findHostRefusal(request, names) ?? findFrameRefusal(request, names);
    if (refusal !== null) return refuse(request, reply, log, refusal);
    // The gateway's pages must be able to load their scripts even if a proxy changes Host, so that they can report the
    // problem. Requests of those scripts are checked by origin.
    if (request.routeOptions.config.crossOrigin === true) {
      reply.headers({ 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' });
      return undefined;
    }
    const forbidden = findOriginRefusal(request, names) ?? findUpgradeRefusal(request);
    if (forbidden !== null) return refuse(request, reply, log, forbidden);
    allowOrigin(request, reply, names);
    if (request.method === 'OPTIONS') return reply.code(204).send();
    return undefined;
  });
}

function allowOrigin({ headers: { origin } }: FastifyRequest, reply: FastifyReply, names: TrustedNames): void {
  if (!names.isListedOrigin(origin)) {
    reply.header('cross-origin-resource-policy', 'same-origin');
    return;
  }
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'authorization, content-type, gearway-message, gearway-captured-at',
    'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
    vary: 'origin',
  });
}

/**
 * The hosts of a request: its Host header, and the one reported by a trusted proxy. All must belong to the gateway:
 * scripts can set X-Forwarded-Host, so that header may only make the check stricter.
 */
export function hostsOf(request: FastifyRequest): readonly string[] {
  const { host = '' } = request.headers;
  return request.host === host ? [host] : [host, request.host];
}

function findHostRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  // A proxy may have checked a different header from the first, which Node returns (RFC 9112, section 3.2).
  const { rawHeaders } = request.raw;
  if (rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length > 1)
    return { status: 400, code: 'request-invalid', message: 'the request has several Host headers' };
  const foreign = hostsOf(request).find((host) => !names.isOurHost(host));
  if (foreign === undefined) return null;
  const parsed = parseHost(foreign);
  if (parsed === null) {
    const problem = foreign === '' ? 'the request has no Host header' : 'the Host header is not a host name';
    return { status: 421, code: 'host-unknown', message: `${problem}; use HTTP/1.1 and the gateway's address or name` };
  }
  const { name } = parsed;
  const { 'x-forwarded-proto': protocol } = request.headers;
  const publicUrl = `--public-url ${protocol === 'http' ? 'http' : 'https'}://${name}${parsed.port === null ? '' : `:${parsed.port}`}/`;
  const allowHost = `--allow-host ${name}`;
  return {
    status: 421,
    code: 'host-unknown',
    message:
      `the gateway does not accept requests for the name ${name}; ` +
      `if the name is yours, start the gateway with ${allowHost}, or behind a proxy with ${publicUrl} (append the path, if any)`,
    options: [publicUrl, allowHost],
  };
}

/** Refused with a page inside the frame, because the browser's own error box does not show the reason. */
function findFrameRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  const origin = names.forbiddenFrame(request.headers, hostsOf(request));
  if (origin === null) return null;
  const option = `--allow-origin ${origin}`;
  const message = `pages of ${origin} may not show this page in a frame; start the gateway with ${option}`;
  return { status: 403, code: 'frame-not-allowed', message, options: [option] };
}

function findOriginRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  const { origin, 'sec-fetch-site': site } = request.headers;
  const refusal = (message: string, ...options: string[]): Refusal => ({
    status: 403,
    code: 'origin-not-allowed',
    message,
    options,
  });
  if (names.isAnonymousEmbedding(request.headers)) {
    return refusal(
      'a page of another origin may embed this only if it reveals its origin; write <img crossorigin="anonymous">, and start the gateway with --allow-origin and that origin',
    );
  }
  if (origin === undefined || names.isAllowedOrigin(origin, hostsOf(request))) return null;
  if (origin === 'null')
    return refusal(
      'pages without an origin may not use the gateway; serve a local file over HTTP, and give a sandboxed frame allow-same-origin',
    );
  if (originOf(origin) !== origin) return refusal('the Origin header is not an origin');
  const publicUrl = `--public-url ${origin}/`;
  const allowOriginOption = `--allow-origin ${origin}`;
  // The browser guarantees that page and request have the same origin, so a proxy must have changed Host.
  if (site === 'same-origin') {
    return refusal(
      `the gateway does not know its public address ${origin}; start it with ${publicUrl} (append the path, if any)`,
      publicUrl,
    );
  }
  if (site === 'cross-site' || site === 'same-site')
    return refusal(`pages of ${origin} may not use the gateway; start it with ${allowOriginOption}`, allowOriginOption);
  return refusal(
    `pages of ${origin} may not use the gateway; start it with ${publicUrl} (append the path, if any) if a proxy serves the gateway at this address, or with ${allowOriginOption} if the page belongs to another site`,
    publicUrl,
    allowOriginOption,
  );
}

/**
 * `Upgrade` is a hop-by-hop header: a proxy without WebSocket support drops it, and forwards the rest of the handshake.
 */
function findUpgradeRefusal({ headers }: FastifyRequest): Refusal | null {
  if (headers.upgrade !== undefined || headers['sec-websocket-key'] === undefined) return null;
  const remedy = 'the proxy in front of the gateway must forward Upgrade and Connection (docs/behind-a-proxy.md)';
  return { status: 426, code: 'upgrade-required', message: `the WebSocket handshake has no Upgrade header; ${remedy}` };
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Refusal } from './refusal-page.ts';
import { refuse, type RefusalLog } from './refusals.ts';
import type { SecurityHeaders } from './security-headers.ts';
import { originOf, parseHost, type TrustedNames } from './trusted-names.ts';

export interface RequestOriginOptions {
  readonly names: TrustedNames;
  readonly headers: SecurityHeaders;
  readonly log: RefusalLog;
}

/**
 * Adds the checks of Host and Origin before all routes, and the headers that belong to every response.
 *
 * 421 for an unknown Host, 403 for a foreign origin, 426 for a WebSocket whose upgrade a proxy has dropped: each is logged once with what helps.
 */
export function checkRequestOrigin(app: FastifyInstance, { names, headers, log }: RequestOriginOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    headers.set(request, reply);
    const refusal = findHostRefusal(request, names) ?? findFrameRefusal(request, names);
    if (refusal !== null) return refuse(request, reply, log, refusal);
    // A page of ours that was served must be able to load its scripts whatever a proxy makes of Host, so that it can report
    // what is wrong. What the scripts then ask for is checked by the page's origin.
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
    'access-control-allow-methods': 'GET, POST, DELETE',
    vary: 'origin',
  });
}

/**
 * The names under which the request came: its Host, and what a trusted proxy reports. All must be ours. Scripts may set
 * X-Forwarded-Host, so that it can only make the check stricter.
 */
function hostsOf(request: FastifyRequest): readonly string[] {
  const { host = '' } = request.headers;
  return request.host === host ? [host] : [host, request.host];
}

function findHostRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  const foreign = hostsOf(request).find((host) => !names.isOurHost(host));
  if (foreign === undefined) return null;
  const parsed = parseHost(foreign);
  if (parsed === null) {
    const problem = foreign === '' ? 'the request has no Host header' : 'the Host header is not a host name';
    return { status: 421, code: 'host-unknown', message: `${problem}; use HTTP/1.1 and the address or the name of the gateway` };
  }
  const { name } = parsed;
  const { 'x-forwarded-proto': protocol } = request.headers;
  const publicUrl = `--public-url ${protocol === 'http' ? 'http' : 'https'}://${name}${parsed.port === null ? '' : `:${parsed.port}`}/`;
  const allowHost = `--allow-host ${name}`;
  return {
    status: 421,
    code: 'host-unknown',
    message: `the gateway does not answer to the name ${name}; if the name is yours, start the gateway with ${allowHost}, or behind a proxy with ${publicUrl} (append the path, if any)`,
    options: [publicUrl, allowHost],
  };
}

/** Shown in the frame itself: the browser's own box does not name the reason. */
function findFrameRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  const origin = names.forbiddenFrame(request.headers, hostsOf(request));
  if (origin === null) return null;
  const option = `--allow-origin ${origin}`;
  return { status: 403, code: 'frame-not-allowed', message: `pages of ${origin} may not show this page in a frame; start the gateway with ${option}`, options: [option] };
}

function findOriginRefusal(request: FastifyRequest, names: TrustedNames): Refusal | null {
  const { origin, 'sec-fetch-site': site } = request.headers;
  const refusal = (message: string, ...options: string[]): Refusal => ({ status: 403, code: 'origin-not-allowed', message, options });
  if (names.isAnonymousEmbedding(request.headers)) {
    return refusal('a page of another origin may embed this only if it reveals its origin; write <img crossorigin="anonymous">, and start the gateway with --allow-origin and that origin');
  }
  if (origin === undefined || names.isAllowedOrigin(origin, hostsOf(request))) return null;
  if (origin === 'null') return refusal('pages without an origin may not use the gateway; serve a local file over HTTP, and give a sandboxed frame allow-same-origin');
  if (originOf(origin) !== origin) return refusal('the Origin header is not an origin');
  const publicUrl = `--public-url ${origin}/`;
  const allowOriginOption = `--allow-origin ${origin}`;
  // The browser vouches for it that the page came from the address that it now asks: a proxy has changed Host on the way.
  if (site === 'same-origin') return refusal(`the gateway does not know that it is reached as ${origin}; start it with ${publicUrl} (append the path, if any)`, publicUrl);
  if (site === 'cross-site' || site === 'same-site') return refusal(`pages of ${origin} may not use the gateway; start it with ${allowOriginOption}`, allowOriginOption);
  return refusal(`pages of ${origin} may not use the gateway; start it with ${publicUrl} (append the path, if any) if a proxy serves the gateway at this address, or with ${allowOriginOption} if the page belongs to another site`, publicUrl, allowOriginOption);
}

/** `Upgrade` is for the next hop alone: a proxy that does not know WebSockets drops it, and passes on the rest of the handshake. */
function findUpgradeRefusal({ headers }: FastifyRequest): Refusal | null {
  if (headers.upgrade !== undefined || headers['sec-websocket-key'] === undefined) return null;
  return { status: 426, code: 'upgrade-required', message: 'the WebSocket handshake came without its Upgrade header; the proxy in front of the gateway must forward Upgrade and Connection (docs/behind-a-proxy.md)' };
}

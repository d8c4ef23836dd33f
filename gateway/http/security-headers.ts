import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseHost, type TrustedNames } from './trusted-names.ts';

/** How long browsers insist on TLS after the last visit: half a year. */
const HSTS_SECONDS = 15_552_000;

/**
 * Enables the features that the gateway's pages need, such as camera, screen and wake lock for publishing, and disables
 * other powerful features.
 */
const PERMISSIONS = [
  ...[
    'camera',
    'display-capture',
    'screen-wake-lock',
    'fullscreen',
    'picture-in-picture',
    'clipboard-write',
    'autoplay',
  ].map((feature) => `${feature}=(self)`),
  ...[
    'microphone',
    'geolocation',
    'accelerometer',
    'gyroscope',
    'magnetometer',
    'midi',
    'payment',
    'usb',
    'serial',
    'hid',
    'xr-spatial-tracking',
  ].map((feature) => `${feature}=()`),
].join(', ');

/**
 * Sets the headers of every response, including errors. Pages may only load resources from the gateway itself, and run
 * no inline script or style.
 */
export class SecurityHeaders {
  readonly #policy: string;
  readonly #isTls: boolean;
  readonly #isPublicTls: boolean;

  constructor(names: TrustedNames, { isTls, publicUrl }: { readonly isTls: boolean; readonly publicUrl: URL | null }) {
    this.#isTls = isTls;
    this.#isPublicTls = publicUrl?.protocol === 'https:';
    this.#policy = [
      "default-src 'self'",
      // blob: for the viewer's worker, if page and script have different origins, and for decoded pictures.
      "worker-src 'self' blob:",
      "img-src 'self' blob: data:",
      "media-src 'self' blob:",
      "object-src 'none'",
      "base-uri 'none'",
      // Forms are submitted by scripts. If a script failed, submitting the form would put the token into the URL.
      "form-action 'none'",
      // Prevents clickjacking: a foreign page that frames the console could trick its visitors into returning data.
      `frame-ancestors ${names.frameAncestors}`,
    ].join('; ');
  }

  set(request: FastifyRequest, reply: FastifyReply): void {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'content-security-policy': this.#policy,
      'referrer-policy': 'no-referrer',
      'permissions-policy': PERMISSIONS,
    });
    const name = parseHost(request.headers.host)?.name ?? '';
    const isHere = name === 'localhost' || name === '::1' || name.startsWith('127.');
    // Browsers ignore this header on other pages, and log a warning.
    if (this.#isTls || this.#isPublicTls || isHere) reply.header('cross-origin-opener-policy', 'same-origin');
    // Not sent for localhost, which other services of this machine share, nor for IP addresses, for which browsers
    // ignore it.
    if (this.#isTls && name !== '' && !isHere && isIP(name) === 0)
      reply.header('strict-transport-security', `max-age=${HSTS_SECONDS}`);
  }
}

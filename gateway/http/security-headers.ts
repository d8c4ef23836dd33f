import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseHost, type TrustedNames } from './trusted-names.ts';

/** Browsers use TLS for a name on their own for this long after the last visit: half a year. */
const HSTS_SECONDS = 15_552_000;

/** What our pages need: the camera and the screen to publish, the wake lock for it. Everything powerful that they do not need is off. */
const PERMISSIONS = [
  ...['camera', 'display-capture', 'screen-wake-lock', 'fullscreen', 'picture-in-picture', 'clipboard-write', 'autoplay'].map((feature) => `${feature}=(self)`),
  ...['microphone', 'geolocation', 'accelerometer', 'gyroscope', 'magnetometer', 'midi', 'payment', 'usb', 'serial', 'hid', 'xr-spatial-tracking'].map((feature) => `${feature}=()`),
].join(', ');

/** Sets the headers that belong to every response, errors included. Pages load only what the gateway itself serves, and run no inline script or style. */
export class SecurityHeaders {
  readonly #policy: string;
  readonly #isTls: boolean;
  readonly #isPublicTls: boolean;

  constructor(names: TrustedNames, { isTls, publicUrl }: { readonly isTls: boolean; readonly publicUrl: URL | null }) {
    this.#isTls = isTls;
    this.#isPublicTls = publicUrl?.protocol === 'https:';
    this.#policy = [
      "default-src 'self'",
      // The viewer's worker, where the page and the script are of different origins, and what becomes of pictures.
      "worker-src 'self' blob:",
      "img-src 'self' blob: data:",
      "media-src 'self' blob:",
      "object-src 'none'",
      "base-uri 'none'",
      // Forms are submitted by scripts: without them a token would end in the address.
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
    // Browsers ignore it on other pages, and complain about it in the console.
    if (this.#isTls || this.#isPublicTls || isHere) reply.header('cross-origin-opener-policy', 'same-origin');
    // Not for a name that other services of this machine share, nor for an address, which browsers ignore.
    if (this.#isTls && name !== '' && !isHere && isIP(name) === 0) reply.header('strict-transport-security', `max-age=${HSTS_SECONDS}`);
  }
}

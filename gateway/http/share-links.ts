import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { CreatedShareLink, ShareLinkStatus } from '../../shared/status.ts';
import type { ShareLink } from '../rights/share-links.ts';
import { type Access, isThisMachine } from './access.ts';
import { networkUrls } from './network-urls.ts';
import { requester } from './requester.ts';
import { parseHost } from './trusted-names.ts';
import { unknownStream } from './unknown-stream.ts';

interface ShareLinksOptions {
  readonly streams: ReadonlyMap<string, unknown>;
  readonly access: Access;
  /** Public address of the gateway; null if it is the one on which it listens. */
  readonly publicUrl: URL | null;
  readonly isTls: boolean;
  readonly log: Logger;
}

const DEFAULT_HOURS = 24;

/** Longest time for which a link is valid: 30 days. */
export const MAX_HOURS = 30 * 24;

const HOUR_MS = 3_600_000;

interface LinksRoute {
  Params: { name: string };
}

/** Adds the API's routes for the share links of a stream: create, list and revoke. */
export function serveShareLinks(
  app: FastifyInstance,
  { streams, access, publicUrl, isTls, log }: ShareLinksOptions,
): void {
  const config = { right: 'administer' } as const;
  const links = access.shareLinks;

  /** Whether the links are persisted, after waiting for the last change. The store logs failures. */
  const outlastsRestart = async (): Promise<boolean> => access.isKept && (await access.flush()) === null;

  /** Address of the gateway for others, with a trailing slash. */
  const baseUrl = (request: FastifyRequest): string => {
    if (publicUrl !== null) return publicUrl.href;
    const { origin, host = '' } = request.headers;
    const protocol = origin?.startsWith('https:') === true ? 'https' : request.protocol;
    const address = app.server.address();
    const isLocal = isThisMachine(parseHost(host)?.name ?? '');
    const [networkUrl] = isLocal && typeof address === 'object' && address !== null ? networkUrls(address, isTls) : [];
    return networkUrl ?? `${protocol}://${host}/`;
  };

  app.post<LinksRoute>('/api/streams/:name/shares', { config }, async (request, reply) => {
    const { name } = request.params;
    if (!streams.has(name)) {
      const { code, message } = unknownStream(streams, name, request.principal);
      throw new GearwayError(code, message);
    }
    const by = requester(request);
    const { token, link } = links.create(name, by.principal, readHours(request.body) * HOUR_MS);
    const status = statusOf(link, await outlastsRestart());
    log.info(
      { stream: name, principal: by.principal, peer: by.address },
      `share link ${link.id} until ${status.expiresAt} created by ${by.principal} (${by.address})`,
    );
    const url = `${baseUrl(request)}viewer?stream=${encodeURIComponent(name)}#token=${token}`;
    return reply.code(201).send({ ...status, url } satisfies CreatedShareLink);
  });

  // Links of a removed stream can be revoked, too, because it may be created again.
  app.get<LinksRoute>('/api/streams/:name/shares', { config }, async (request) => {
    const isKept = await outlastsRestart();
    return links.list(request.params.name).map((link) => statusOf(link, isKept));
  });

  app.delete<{ Params: { name: string; share: string } }>(
    '/api/streams/:name/shares/:share',
    { config },
    async (request): Promise<ShareLinkStatus> => {
      const { name, share } = request.params;
      const link = links.revoke(name, share);
      if (link === null)
        throw new GearwayError(
          'share-unknown',
          `${name} has no share link ${JSON.stringify(share)}; it may have expired`,
        );
      const by = requester(request);
      log.info(
        { stream: name, principal: by.principal, peer: by.address },
        `share link ${link.id} revoked by ${by.principal} (${by.address})`,
      );
      const problem = await access.flush();
      if (problem !== null)
        throw new GearwayError(
          'state-not-written',
          `the link is revoked, but a restart of the gateway would make it valid again, because ${problem}`,
        );
      return statusOf(link, false);
    },
  );
}

function statusOf({ id, createdBy, createdAtMs, expiresAtMs }: ShareLink, outlastsRestart: boolean): ShareLinkStatus {
  return {
    id,
    createdBy,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
    outlastsRestart,
  };
}

/** @throws {GearwayError} `share-invalid`. */
function readHours(body: unknown): number {
  if (body === undefined) return DEFAULT_HOURS;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new GearwayError('share-invalid', 'the body is not an object, expected JSON such as {"hours": 24}, or none');
  const { hours = DEFAULT_HOURS } = body as { readonly hours?: unknown };
  if (typeof hours === 'number' && hours > 0 && hours <= MAX_HOURS) return hours;
  throw new GearwayError(
    'share-invalid',
    `hours is ${JSON.stringify(hours)}, expected a number greater than 0 and at most ${MAX_HOURS}`,
  );
}

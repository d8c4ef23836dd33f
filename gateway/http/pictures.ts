import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BoundedMap } from '../../shared/bounded-map.ts';
import { type JpegPictures, MjpegClient, mjpegHeaders } from '../clients/mjpeg/mjpeg-client.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { ScaledPictures, Scaling } from '../clients/scaled-pictures.ts';
import { isDefaultStyle } from '../clients/styled-arrays.ts';
import type { UnsentFrames } from '../clients/unsent-frames.ts';
import { nowUs } from '../hub/clock.ts';
import type { Frame } from '../hub/frame.ts';
import { addressKey, type Share, type SharedLimits, Shares } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import { MAX_THUMBNAIL_WIDTH, type Thumbnail } from '../renditions/thumbnail.ts';
import { clientAddress } from './client-address.ts';
import { holdShare } from './hold-share.ts';
import { type Query, readQueryFlag, readQueryNumber, readScaling } from './query.ts';
import { sendRefusal } from './refusals.ts';
import { refuseShare } from './refuse-share.ts';
import { mayAdminister } from './rights.ts';
import type { SnapshotOptions, Snapshots } from './snapshots.ts';
import { unknownStream } from './unknown-stream.ts';

interface PictureStream {
  readonly stream: Stream;
  /**
   * A small picture from another gateway of a cluster; null if this gateway has the frames itself. The promise resolves
   * to null if there is no picture.
   */
  remoteThumbnail?(width: number): Promise<Thumbnail | null> | null;
}

interface PicturesOptions {
  readonly streams: ReadonlyMap<string, PictureStream>;
  /** Keyed by stream name; shared with viewers. */
  readonly renditions: Pick<ReadonlyMap<string, Renditions>, 'get'>;
  readonly snapshots: Snapshots;
  /** Scaled pictures of all streams. */
  readonly scaledPictures: ScaledPictures;
  readonly createPlaceholder: (sentence: string) => Promise<Frame>;
  readonly sharedLimits: Pick<SharedLimits, 'mjpegClients'>;
  /** Shared by all requests for a single picture. */
  readonly snapshotShares: Shares;
  readonly unsent: UnsentFrames;
}

interface FoundStream {
  readonly served: PictureStream;
  readonly stream: Stream;
  readonly shared: Renditions;
}

/** Maximum number of cached placeholder frames. A few suffice, because there are few reasons for a missing frame. */
const MAX_PLACEHOLDERS = 8;

/** How long a snapshot waits for the first frame of a suspended source. */
const ON_DEMAND_WAIT_MS = 5000;

const CONTENT_TYPES = { jpg: 'image/jpeg', png: 'image/png', npy: 'application/x-npy' } as const;

/** The JPEGs of an MJPEG client, released with it. */
interface JpegFeed extends JpegPictures {
  release(): void;
}

type PictureRequest = FastifyRequest<{ Params: { name: string }; Querystring: Query }>;

/**
 * Adds the routes that need no JavaScript: `/streams/NAME/mjpeg` for `<img>` and programs,
 * `/streams/NAME/snapshot.jpg`, `.png` and `.npy`. Closing `app` disconnects the MJPEG clients.
 *
 * Refusals: 404, 400 for an invalid query, 503 with Retry-After if retrying helps.
 */
export function servePictures(
  app: FastifyInstance,
  {
    streams,
    renditions,
    snapshots,
    scaledPictures,
    createPlaceholder,
    sharedLimits,
    snapshotShares,
    unsent,
  }: PicturesOptions,
): void {
  const mjpegShares = new Shares('MJPEG clients', sharedLimits.mjpegClients);
  const mjpegClients = new Set<MjpegClient>();
  let mjpegCount = 0;
  const placeholders = new BoundedMap<string, Promise<Frame>>(MAX_PLACEHOLDERS);

  const placeholderOf = (sentence: string): Promise<Frame> => {
    const known = placeholders.get(sentence);
    if (known !== undefined) return known;
    const placeholder = createPlaceholder(sentence);
    placeholders.set(sentence, placeholder);
    return placeholder;
  };

  /**
   * Accepts Basic authentication, because `<img>` and OpenCV cannot send a Bearer token and a token in a query would be
   * logged.
   */
  const pictureRoute = {
    config: { right: 'watch', basic: true } as const,
    onRequest: async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      // Otherwise pages of allowed origins could not read these headers.
      reply.header('access-control-expose-headers', 'gearway-sequence, gearway-received-at');
    },
  };

  const find = (name: string): FoundStream | null => {
    const served = streams.get(name);
    const shared = renditions.get(name);
    return served === undefined || shared === undefined ? null : { served, stream: served.stream, shared };
  };

  /** @throws {GearwayError} `too-many`, `address-limit`. */
  const openJpegs = ({ stream, shared }: FoundStream, scaling: Required<Scaling>, address: string): JpegFeed => {
    const { width, quality, style } = scaling;
    if (isUnchanged(scaling)) return { jpeg: (frame) => shared.jpeg(frame), release: () => undefined };
    // A style alone is also counted: the limits cover both.
    const scaled = scaledPictures.acquire(stream.name, scaling, { arrays: shared.arrays, address });
    const isUnscaled = (frame: Frame): boolean => quality === null && (width === null || width >= frame.width);
    return {
      jpeg: (frame) => (isUnscaled(frame) ? shared.jpeg(frame, style) : scaled.jpeg(frame)),
      release: () => scaled.release(),
    };
  };

  app.route({
    method: ['GET', 'HEAD'],
    url: '/streams/:name/mjpeg',
    ...pictureRoute,
    handler: async (request: PictureRequest, reply) => {
      const found = find(request.params.name);
      if (found === null)
        return sendRefusal(request, reply, unknownStream(streams, request.params.name, request.principal));
      const maxFramesPerSecond = readQueryNumber(request.query, 'fps');
      const wantsLengths = readQueryFlag(request.query, 'length') ?? !isBrowserShowing(request.headers);
      const scaling = readScaling(request.query);
      if (request.method === 'HEAD') return reply.headers(mjpegHeaders()).send();
      let share: Share;
      let pictures: JpegFeed;
      let leave = (): void => undefined;
      try {
        const address = addressKey(clientAddress(request));
        share = mjpegShares.acquire(address, mayAdminister(request));
        try {
          leave = request.principal?.budget.enter() ?? leave;
          pictures = openJpegs(found, scaling, address);
        } catch (error) {
          leave();
          share.release();
          throw error;
        }
      } catch (error) {
        return refuseShare(reply, error);
      }
      reply.hijack();
      for (const [header, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(header, value);
      mjpegCount += 1;
      const client = new MjpegClient(reply.raw, {
        id: `mjpeg-${mjpegCount}`,
        stream: found.stream,
        pictures,
        createPlaceholder: placeholderOf,
        address: clientAddress(request),
        maxFramesPerSecond,
        hasLengths: wantsLengths,
        budget: request.principal?.budget ?? null,
        unsent,
      });
      mjpegClients.add(client);
      const unwatch = request.principal?.whenEnded(({ reason }) => client.close(reason));
      const forget = (): void => {
        unwatch?.();
        leave();
        mjpegClients.delete(client);
        share.release();
        pictures.release();
      };
      client.closed.then(forget, forget);
      return reply;
    },
  });
  // Must happen before the server waits for its connections, because MJPEG responses would never end.
  app.addHook('preClose', async () => {
    for (const client of mjpegClients) client.close();
  });

  const sendSnapshot = async (
    request: PictureRequest,
    reply: FastifyReply,
    format: SnapshotOptions['format'],
  ): Promise<unknown> => {
    const found = find(request.params.name);
    if (found === null)
      return sendRefusal(request, reply, unknownStream(streams, request.params.name, request.principal));
    const scaling = readScaling(request.query);
    if (format === 'npy' && !isUnchanged(scaling)) {
      return refuse(
        reply,
        400,
        'query-invalid',
        'snapshot.npy has the samples as they are, expected neither width, quality nor colours',
      );
    }
    try {
      holdShare(snapshotShares, request, reply);
    } catch (error) {
      return refuseShare(reply, error);
    }
    return makeSnapshot(found, request, reply, { format, ...scaling });
  };

  const makeSnapshot = async (
    found: FoundStream,
    request: FastifyRequest,
    reply: FastifyReply,
    options: SnapshotOptions,
  ): Promise<unknown> => {
    const thumbnail = isThumbnail(options) ? await found.served.remoteThumbnail?.(options.width) : null;
    if (thumbnail) {
      const { sequence, ageUs, jpeg } = thumbnail;
      return sendPicture(reply, 'jpg', { sequence, receivedAtUs: nowUs() - ageUs }, jpeg);
    }
    found.stream.noteSnapshotRequest();
    const frame = found.stream.latest ?? (found.stream.isOnDemand ? await nextFrame(found.stream) : null);
    if (frame === null)
      return refuse(
        reply.header('retry-after', '1'),
        503,
        'no-frame',
        `no frame is available yet: ${found.stream.reason}`,
      );
    const address = addressKey(clientAddress(request));
    return sendPicture(reply, options.format, frame, await snapshots.get(frame, options, found.shared, address));
  };
  for (const format of ['jpg', 'png', 'npy'] as const) {
    app.get(`/streams/:name/snapshot.${format}`, pictureRoute, async (request: PictureRequest, reply) =>
      sendSnapshot(request, reply, format),
    );
  }
}

function sendPicture(
  reply: FastifyReply,
  format: SnapshotOptions['format'],
  { sequence, receivedAtUs }: Pick<Frame, 'sequence' | 'receivedAtUs'>,
  picture: Uint8Array,
): FastifyReply {
  return reply
    .headers({
      'content-type': CONTENT_TYPES[format],
      'gearway-sequence': String(sequence),
      'gearway-received-at': new Date(receivedAtUs / 1000).toISOString(),
    })
    .send(picture);
}

/** Whether another gateway may make the picture, instead of sending all frames of the stream. */
function isThumbnail(options: SnapshotOptions): options is SnapshotOptions & { readonly width: number } {
  const { format, width, quality = null, style = {} } = options;
  return (
    format === 'jpg' && width !== null && width <= MAX_THUMBNAIL_WIDTH && quality === null && isDefaultStyle(style)
  );
}

function isUnchanged({ width, quality, style }: Required<Scaling>): boolean {
  return width === null && quality === null && isDefaultStyle(style);
}

/**
 * Whether a browser shows the response: an `<img>`, a frame, or a tab. Browsers send Sec-Fetch-Dest only to secure
 * origins and localhost; otherwise, they are recognized by the types that they accept.
 */
function isBrowserShowing({ 'sec-fetch-dest': destination, accept = '' }: FastifyRequest['headers']): boolean {
  if (typeof destination === 'string') return destination !== 'empty';
  return /\b(?:image|text)\//i.test(accept);
}

/** The next frame of a stream whose source has to start; null if none arrives in time. */
async function nextFrame(stream: Stream): Promise<Frame | null> {
  return new Promise((resolve) => {
    const settle = (frame: Frame | null): void => {
      clearTimeout(timer);
      stream.unfollow(follower);
      resolve(frame);
    };
    const follower = { offer: settle, streamChanged: () => undefined };
    const timer = setTimeout(settle, ON_DEMAND_WAIT_MS, null);
    stream.follow(follower);
  });
}

function refuse(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ code, message });
}

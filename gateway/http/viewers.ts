import type { FastifyInstance } from 'fastify';
import { type ViewerSocket, ViewerBinding } from '../clients/web/viewer-binding.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { UnsentFrames } from '../clients/unsent-frames.ts';
import type { VideoEncodings } from '../clients/web/video-encodings.ts';
import { WebClient, type WebClientLimits } from '../clients/web/web-client.ts';
import { setMessageLimit } from '../connection/web-socket.ts';
import type { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import type { EventLog } from '../hub/event-log.ts';
import { Shares, type ShareLimits } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import { acceptSocket, type SocketShares } from './accept-socket.ts';
import { bearerToken, tokenCredential } from './access.ts';
import type { Guard } from './guard.ts';
import { unknownStream } from './unknown-stream.ts';

interface ViewersOptions extends SocketShares {
  readonly streams: ReadonlyMap<string, { readonly stream: Stream }>;
  /** Values by stream name. */
  readonly renditions: Pick<ReadonlyMap<string, Renditions>, 'get'>;
  /** Values by stream name. */
  readonly videos: Pick<ReadonlyMap<string, VideoEncodings>, 'get'>;
  readonly guard: Guard;
  /** Decodes the JPEGs that viewers return. */
  readonly verifier: JpegVerifier;
  readonly limits: WebClientLimits;
  /** Contains all connected viewers; the creator closes them. */
  readonly webClients: Set<ViewerSocket>;
  readonly events: EventLog;
  /** Limits over all streams. */
  readonly viewerLimits: ShareLimits;
  readonly unsent: UnsentFrames;
}

/**
 * Adds the viewers' WebSocket, `/streams/NAME/ws`. Reveals whether a stream exists only after the token has been
 * accepted.
 */
export function serveViewers(
  app: FastifyInstance,
  {
    streams,
    renditions,
    videos,
    guard,
    verifier,
    limits,
    webClients,
    events,
    viewerLimits,
    greetings,
    addressBudgets,
    largeMessages,
    unsent,
  }: ViewersOptions,
): void {
  let count = 0;
  const viewers = new Shares('viewers', viewerLimits);

  app.get<{ Params: { name: string } }>(
    '/streams/:name/ws',
    { websocket: true, config: { right: 'hello' } },
    (socket, request) => {
      const { name } = request.params;
      const stream = streams.get(name)?.stream;
      const shared = renditions.get(name);
      acceptSocket<WebClient>(
        socket,
        request,
        { sockets: viewers, greetings, addressBudgets, largeMessages },
        webClients,
        ({ transport, address, addressBudget, onAdmitted }) => {
          count += 1;
          const binding = new ViewerBinding({
            id: `web-${count}`,
            served:
              stream === undefined || shared === undefined
                ? { stream: null, reason: (principal) => unknownStream(streams, name, principal).message }
                : { stream, renditions: shared, video: videos.get(name) },
            report: (event) => events.add({ stream: name.slice(0, 64), ...event }),
            address,
            authorize: (token) =>
              guard.decide(request, tokenCredential(token ?? bearerToken(request.headers.authorization)), 'watch', {
                stream: name,
              }),
          });
          return new WebClient(socket, {
            binding,
            transport,
            limits,
            unsent,
            verifyJpeg: (jpeg) => verifier.verify(jpeg, { lane: 'returns', key: binding, colorspace: 'BGR' }),
            addressBudget,
            onAdmitted: (messageBytes) => {
              onAdmitted();
              setMessageLimit(socket, messageBytes);
            },
          });
        },
      );
    },
  );
}

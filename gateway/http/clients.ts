import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BoundedMap } from '../../shared/bounded-map.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import type { ClientStatus, StreamStatus } from '../../shared/status.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { Frame } from '../hub/frame.ts';
import type { StickyData } from '../hub/returns/returns.ts';
import { addressKey, type Shares } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import type { RemoteRenditions } from '../renditions/rendition.ts';
import { readJpegHeader } from '../codecs/jpeg-header.ts';
import type { Publishing } from '../sources/push/publishing.ts';
import { frameOfArray, decimation } from '../hub/returns/array-frame.ts';
import { clientAddress } from './client-address.ts';
import { holdShare } from './hold-share.ts';
import { type Query, readQueryNumber } from './query.ts';
import { refuseShare } from './refuse-share.ts';
import { sendRefusal } from './refusals.ts';
import { requester } from './requester.ts';
import { mayAdminister } from './rights.ts';
import type { Snapshots } from './snapshots.ts';
import { isPersisted, type StreamEditing } from './stream-settings.ts';
import { unknownStream } from './unknown-stream.ts';

/** A stream as the HTTP API uses it. */
export interface ServedStream {
  readonly stream: Stream;
  /** Null if the source does not accept publishers. */
  readonly publishing: Publishing | null;
  /** Renditions by another gateway of a cluster. Default: none. */
  readonly remoteRenditions?: RemoteRenditions | null;
  status(): StreamStatus;
  addClient(address: string): ClientStatus;
  /** Undoes the addition of a native client: removes it without a termination. */
  withdrawClient(id: string): Promise<void>;
}

interface ClientsOptions {
  readonly streams: ReadonlyMap<string, ServedStream>;
  readonly editor: StreamEditing;
  /** Streams by name. */
  readonly renditions: Pick<ReadonlyMap<string, Renditions>, 'get'>;
  readonly snapshots: Snapshots;
  /** Shared by all requests for a single picture. */
  readonly snapshotShares: Shares;
  readonly log: Logger;
}

/** Maximum length of a native client's address. */
export const MAX_ADDRESS = 1024;

interface ClientRoute {
  Params: { name: string; id: string };
}

/**
 * Adds the API's routes for a stream's clients: add a native client, remove any client, read its return data, take
 * control back. Each change is logged and reported as an event with its principal.
 */
export function serveClients(
  app: FastifyInstance,
  { streams, editor, renditions, snapshots, snapshotShares, log }: ClientsOptions,
): void {
  const returned = new ReturnedPictures(snapshots);
  const refuseClient = (reply: FastifyReply, name: string, id: string): FastifyReply =>
    refuse(reply, 404, 'client-unknown', `no client ${JSON.stringify(id)} is connected to ${name}`);

  const audit = (
    request: FastifyRequest,
    kind: 'add' | 'remove',
    { stream }: ServedStream,
    { id, port, address }: ClientStatus,
  ): void => {
    const by = requester(request);
    const reason = `${kind === 'add' ? 'added' : 'removed'} by ${by.principal} (${by.address})`;
    log.info(
      {
        stream: stream.name,
        client: id,
        peer: address,
        event: kind,
        principal: by.principal,
        ...(port === null ? {} : { port }),
      },
      `client ${id} ${reason}`,
    );
    stream.report({ kind, client: id, port, address, reason, by });
  };

  /** Whether a change must be written to the configuration file. Administrators of single streams may not do that. */
  const isKept = (request: FastifyRequest<{ Querystring: Query }>): boolean => {
    if (!isPersisted(request.query)) return false;
    if (mayAdminister(request)) return true;
    throw new GearwayError('not-allowed', 'persist=true requires the right to administer in all streams');
  };

  app.post<{
    Params: { name: string };
    Querystring: Query;
    Body: { address?: unknown } | null | undefined;
  }>('/api/streams/:name/clients', { config: { right: 'administer' } }, async (request, reply) => {
    const { name } = request.params;
    const hasToKeep = isKept(request);
    const served = streams.get(name);
    if (served === undefined) return sendRefusal(request, reply, unknownStream(streams, name, request.principal));
    const address = request.body?.address;
    if (typeof address !== 'string' || address.length > MAX_ADDRESS) {
      const expected = `JSON with an address of at most ${MAX_ADDRESS} characters, {"address": "tcp://HOST:PORT?pattern=1"}`;
      return refuse(reply, 400, 'address-invalid', `the body has no valid address, expected ${expected}`);
    }
    if (new URLSearchParams(/\?(.*)$/s.exec(address)?.[1]).has('keys')) {
      // The gateway would create and read the folder, but its administrators need not have access to its file system.
      const remedy =
        'list this client with --client when the gateway starts, or use secure= alone for the folder ~/.vidgear/keys';
      return refuse(
        reply,
        400,
        'option-invalid',
        `the address has keys=, a folder on the gateway's machine, which the API does not accept: ${remedy}`,
      );
    }
    const added = served.addClient(address.trim());
    if (hasToKeep)
      await editor.saveClient(name, address.trim()).catch(async (error: unknown) => {
        await served.withdrawClient(added.id);
        throw error;
      });
    audit(request, 'add', served, added);
    return reply.code(201).send(added);
  });

  app.delete<ClientRoute & { Querystring: Query & { reason?: string } }>(
    '/api/streams/:name/clients/:id',
    { config: { right: 'administer' } },
    async (request, reply) => {
      const { name, id } = request.params;
      const served = streams.get(name);
      if (served === undefined) return sendRefusal(request, reply, unknownStream(streams, name, request.principal));
      const { reason } = request.query;
      const text =
        (typeof reason === 'string' && cleanText(reason, 100)) ||
        'disconnected by the administrator; reload the page to reconnect';
      const before = served.stream.clientStatus(id);
      const change =
        isKept(request) && before?.kind === 'native' && before.port !== null
          ? await editor.removeClient(name, before.port)
          : null;
      const removed = change === null ? served.stream.sendAway(id, text) : before;
      if (removed === null) return refuseClient(reply, name, id);
      audit(request, 'remove', served, removed);
      return removed;
    },
  );

  app.delete<ClientRoute>('/api/streams/:name/control', { config: { right: 'administer' } }, async (request, reply) => {
    const { name } = request.params;
    const served = streams.get(name);
    if (served === undefined) return sendRefusal(request, reply, unknownStream(streams, name, request.principal));
    const { stream } = served;
    const { control } = stream;
    if (control === null)
      return refuse(
        reply,
        409,
        'control-shared',
        `control of ${name} is shared: every client may return data; set control: exclusive to change that`,
      );
    const former = await control.revoke();
    if (former !== null) {
      const by = requester(request);
      const reason = `control taken back by ${by.principal} (${by.address})`;
      const address = former.id === null ? null : (stream.clientStatus(former.id)?.address ?? null);
      stream.report({ kind: 'control', client: former.id, port: former.port, address, reason, by });
    }
    return control.status();
  });

  app.get<ClientRoute & { Querystring: Query }>(
    '/api/streams/:name/clients/:id/return',
    { config: { right: 'view' } },
    async (request, reply) => {
      const { name, id } = request.params;
      const served = streams.get(name);
      const shared = renditions.get(name);
      if (served === undefined || shared === undefined)
        return sendRefusal(request, reply, unknownStream(streams, name, request.principal));
      const client = served.stream.clientStatus(id);
      if (client === null) return refuseClient(reply, name, id);
      const width = readQueryNumber(request.query, 'width');
      const data = client.port === null ? null : served.stream.returns.get(client.port);
      if (data === null || (data.kind === 'value' && data.value === null)) {
        const text =
          client.port === null
            ? `${id} is a spectator, and spectators return no data`
            : `port ${client.port} has no return data`;
        return refuse(reply, 404, 'no-return-data', text);
      }
      try {
        holdShare(snapshotShares, request, reply);
      } catch (error) {
        return refuseShare(reply, error);
      }
      // Values such as NaN exist only in Python's JSON and are sent as plain text.
      if (data.kind === 'value')
        return reply
          .type(isJson(data) ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8')
          .send(data.json);
      try {
        const picture = await returned.get(data, width, shared, addressKey(clientAddress(request)));
        return await reply.type(data.kind === 'jpeg' ? 'image/jpeg' : 'image/png').send(picture);
      } catch (error) {
        if (!(error instanceof GearwayError) || error.code !== 'picture-invalid') throw error;
        throw new GearwayError(
          error.code,
          `the picture returned by port ${client.port} is damaged and cannot be shown`,
          { cause: error },
        );
      }
    },
  );
}

/**
 * Return data as pictures. Converts each array and size to a frame once; the frames are then encoded like snapshots of
 * a stream.
 */
class ReturnedPictures {
  readonly #snapshots: Snapshots;
  readonly #frames = new WeakMap<StickyData, BoundedMap<number, Promise<Frame>>>();

  constructor(snapshots: Snapshots) {
    this.#snapshots = snapshots;
  }

  /**
   * The picture: a JPEG unmodified or scaled down; an array as PNG.
   *
   * @param address of the sender, as returned by `addressKey`.
   * @throws {GearwayError} `no-picture`, `busy`, `picture-invalid`.
   */
  async get(
    data: Exclude<StickyData, { kind: 'value' }>,
    width: number | null,
    renditions: Renditions,
    address: string,
  ): Promise<Uint8Array> {
    const step = data.kind === 'jpeg' ? 1 : decimation(data.array, width);
    let frames = this.#frames.get(data);
    if (frames === undefined) this.#frames.set(data, (frames = new BoundedMap<number, Promise<Frame>>(MAX_SIZES)));
    let frame = frames.get(step);
    if (frame === undefined) {
      frame =
        data.kind === 'jpeg' ? Promise.resolve(jpegFrame(data.data)) : this.#arrayFrame(data.array, step, address);
      frames.set(step, frame);
    }
    return this.#snapshots.get(
      await frame,
      { format: data.kind === 'jpeg' ? 'jpg' : 'png', width },
      renditions,
      address,
    );
  }

  #arrayFrame(array: NDArray, step: number, address: string): Promise<Frame> {
    return this.#snapshots.inTurn(() => frameOfArray(array, step), address);
  }
}

/**
 * Maximum number of cached sizes per value: a script may request many. All sizes together take less than twice the
 * memory of the value.
 */
const MAX_SIZES = 4;

function jpegFrame(payload: Uint8Array): Frame {
  const { width, height } = readJpegHeader(payload);
  return {
    sequence: 0,
    receivedAtUs: 0,
    width,
    height,
    encoding: { kind: 'jpeg' },
    payload,
    message: null,
    wireHeader: null,
  };
}

/**
 * Whether a value's text is valid JSON. Cached, because parsing 8 MB is slow and the same value is requested
 * repeatedly.
 */
const jsonValues = new WeakMap<StickyData, boolean>();

function isJson(data: Extract<StickyData, { kind: 'value' }>): boolean {
  const known = jsonValues.get(data);
  if (known !== undefined) return known;
  let isValid = true;
  try {
    JSON.parse(data.json);
  } catch {
    isValid = false;
  }
  jsonValues.set(data, isValid);
  return isValid;
}

function refuse(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ code, message });
}

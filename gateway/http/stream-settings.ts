import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../shared/logger.ts';
import type { StreamChange, StreamSettingsStatus } from '../../shared/status.ts';
import type { EventLog } from '../hub/event-log.ts';
import { type Query, readQueryFlag } from './query.ts';
import { requester } from './requester.ts';

/** Changes the options of streams while the gateway runs. Errors are those of the configuration. */
export interface StreamEditing {
  /** Options of a stream, with hidden passwords. @throws {GearwayError} `stream-unknown`. */
  settings(name: string): StreamSettingsStatus;
  /** Creates a stream, or replaces all its options. @param mustBeNew whether to refuse the latter (`stream-exists`). */
  put(name: string, body: unknown, isPersisted: boolean, mustBeNew: boolean): Promise<StreamChange>;
  /** Changes some options of a stream; the value null removes an option. */
  patch(name: string, body: unknown, isPersisted: boolean): Promise<StreamChange>;
  remove(name: string, isPersisted: boolean): Promise<StreamChange>;
  /** Writes a native client that was added to a stream to the configuration file. */
  saveClient(name: string, address: string): Promise<StreamChange>;
  /**
   * Removes the native client of a port from the file and the stream.
   *
   * @returns null if the options of the stream do not list it, and nothing was changed.
   */
  removeClient(name: string, port: number): Promise<StreamChange | null>;
}

interface StreamSettingsOptions {
  readonly editor: StreamEditing;
  readonly events: EventLog;
  readonly log: Logger;
}

/** Maximum size of a body, enough for 256 native clients with long addresses. */
const MAX_SETTINGS_BYTES = 64 << 10;

interface SettingsRoute {
  Params: { name: string };
  Querystring: Query;
}

/**
 * Adds the API's routes for the options of streams. Their right is `administer`, which no sender has without a token or
 * the administrator key, because a source may read files and open cameras of the gateway's machine. Each change is
 * logged and reported as an event with its principal.
 */
export function serveStreamSettings(app: FastifyInstance, { editor, events, log }: StreamSettingsOptions): void {
  const report = (request: FastifyRequest, what: string, { name, isPersisted, problems }: StreamChange): void => {
    const by = requester(request);
    const reason = [
      `stream ${what}${isPersisted ? ' and saved' : ''} by ${by.principal} (${by.address})`,
      ...problems,
    ].join('; ');
    log.info({ stream: name, event: 'configure', principal: by.principal }, reason);
    events.add({ kind: 'configure', stream: name, client: null, port: null, address: null, reason, by });
  };
  // Not allowed for administrators of single streams, because a source can reach everything that the gateway's user
  // can.
  const config = { right: 'administer', scope: 'all' } as const;
  const bodyLimit = MAX_SETTINGS_BYTES;

  app.get<SettingsRoute>('/api/streams/:name/settings', { config }, async (request) =>
    editor.settings(request.params.name),
  );

  app.put<SettingsRoute>('/api/streams/:name', { config, bodyLimit }, async (request, reply): Promise<FastifyReply> => {
    const mustBeNew = request.headers['if-none-match'] === '*';
    const change = await editor.put(request.params.name, request.body, isPersisted(request.query), mustBeNew);
    report(request, change.isNew ? 'created' : 'changed', change);
    return reply.code(change.isNew ? 201 : 200).send(change);
  });

  app.patch<SettingsRoute>('/api/streams/:name', { config, bodyLimit }, async (request): Promise<StreamChange> => {
    const change = await editor.patch(request.params.name, request.body, isPersisted(request.query));
    report(request, 'changed', change);
    return change;
  });

  app.delete<SettingsRoute>('/api/streams/:name', { config }, async (request): Promise<StreamChange> => {
    const change = await editor.remove(request.params.name, isPersisted(request.query));
    report(request, 'removed', change);
    return change;
  });
}

/** Whether a change is to be written to the file. @throws {GearwayError} `query-invalid`. */
export function isPersisted(query: Query): boolean {
  return readQueryFlag(query, 'persist') ?? false;
}

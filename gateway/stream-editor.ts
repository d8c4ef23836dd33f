import { GearwayError } from '../shared/errors.ts';
import { SILENT_LOGGER } from '../shared/logger.ts';
import type { StreamChange, StreamSettingsStatus } from '../shared/status.ts';
import type { ConfigurationStore } from './config/configuration-file.ts';
import { createFormats } from './config/formats.ts';
import type { GatewayOptions, Reconfiguration, StreamSettings } from './config/gateway-options.ts';
import { listSources } from './config/options.ts';
import {
  isSameStream,
  type NamedStreams,
  nameStreams,
  readStreamSettings,
  streamOf,
} from './config/stream-settings.ts';
import { createSources } from './create-sources.ts';
import { resolveClient, splitName } from './config/client-address.ts';
import { redactorOfUrls } from './sources/redactor.ts';

interface StreamEditorOptions {
  /** Options with which the gateway was started. */
  readonly options: GatewayOptions;
  /** Checks options. @throws {GearwayError}. */
  readonly check: (options: GatewayOptions) => void;
  /** Applies options. @throws {GearwayError} for invalid ones, in which case nothing has changed. */
  readonly apply: (options: GatewayOptions) => Promise<Reconfiguration>;
  /** Storage for changes; null if there is none. */
  readonly store: ConfigurationStore | null;
}

/** FFmpeg's own arguments, which may write files. */
const FFMPEG_ARGUMENTS = ['inputArgs', 'outputArgs', 'filter'] as const;

/**
 * The options of a running gateway: the given options, and changes of single streams that override them. A change
 * ends when the given options of its stream change. One operation at a time.
 */
export class StreamEditor {
  readonly #options: StreamEditorOptions;
  readonly #formats = createFormats((url) => createSources([url], SILENT_LOGGER));
  #given: GatewayOptions;
  /** Changes that are not in the given options, by name; null for a removed stream. */
  #changes: ReadonlyMap<string, StreamSettings | null> = new Map();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: StreamEditorOptions) {
    this.#options = options;
    this.#given = options.options;
  }

  /** Replaces the given options. @param options or a function that reads them when the operation starts. */
  async reconfigure(options: GatewayOptions | (() => Promise<GatewayOptions>)): Promise<Reconfiguration> {
    return this.#inTurn(async () => {
      const given = typeof options === 'function' ? await options() : options;
      const [before, after] = [listStreams(this.#given), listStreams(given)];
      return this.#apply(
        given,
        new Map([...this.#changes].filter(([name]) => isSameStream(streamOf(before, name), streamOf(after, name)))),
      );
    });
  }

  /** The options of a stream, with hidden passwords. @throws {GearwayError} `stream-unknown`. */
  settings(name: string): StreamSettingsStatus {
    return withoutSecrets(this.#existing(name));
  }

  /**
   * Creates a stream, or replaces its options.
   *
   * @param mustBeNew whether to refuse the name of an existing source with `stream-exists`.
   * @throws {GearwayError} in which case nothing has changed.
   */
  async put(name: string, body: unknown, isPersisted: boolean, mustBeNew = false): Promise<StreamChange> {
    return this.#inTurn(async () => {
      if (mustBeNew) this.#checkNew(name);
      return this.#change(name, body, isPersisted);
    });
  }

  /**
   * Changes some options of a stream; null removes one (RFC 7396).
   *
   * @throws {GearwayError} `stream-unknown`, and those of {@link StreamEditor.put}.
   */
  async patch(name: string, body: unknown, isPersisted: boolean): Promise<StreamChange> {
    return this.#inTurn(async () => {
      const before = this.#existing(name);
      const isPatch = typeof body === 'object' && body !== null && !Array.isArray(body);
      const merged = isPatch
        ? Object.fromEntries(Object.entries({ ...before, ...body }).filter(([, value]) => value !== null))
        : body;
      return this.#change(name, merged, isPersisted);
    });
  }

  /**
   * Writes a native client that the stream already has to the configuration file.
   *
   * @throws {GearwayError} in which case nothing has changed.
   */
  async saveClient(name: string, address: string): Promise<StreamChange> {
    return this.#inTurn(async () => {
      const { clients = [], ...others } = this.#existing(name);
      return this.#change(name, { ...others, clients: [...clients, splitName(address).rest] }, true);
    });
  }

  /**
   * Removes the native client of a port from the configuration file, and from the stream. Does nothing if the options
   * of the stream do not list it.
   *
   * @throws {GearwayError} in which case nothing has changed.
   */
  async removeClient(name: string, port: number): Promise<StreamChange | null> {
    return this.#inTurn(async () => {
      const { clients = [], ...others } = this.#existing(name);
      const kept = clients.filter((address) => resolveClient(address).address.port !== port);
      if (kept.length === clients.length) return null;
      return this.#change(name, { ...others, ...(kept.length === 0 ? {} : { clients: kept }) }, true);
    });
  }

  /** Removes a stream. @throws {GearwayError} `stream-unknown`, `stream-required`. */
  async remove(name: string, isPersisted: boolean): Promise<StreamChange> {
    return this.#inTurn(async () => {
      this.#existing(name);
      const { source, streams = {} } = this.#effective(this.#given, new Map([...this.#changes, [name, null]]));
      if (source === undefined && Object.keys(streams).length === 0)
        throw new GearwayError(
          'stream-required',
          `${name} is the only stream, and a gateway needs one; add another first`,
        );
      return this.#set(name, null, { isNew: false, isPersisted });
    });
  }

  async #change(name: string, body: unknown, isPersisted: boolean): Promise<StreamChange> {
    const before = streamOf(this.#current(), name);
    // Checked before the addresses are parsed, because parsing creates the folders of keys.
    checkRisks(body, before);
    const settings = restoreSecrets(await readStreamSettings(name, body, this.#formats), before);
    return this.#set(name, settings, { isNew: before === null, isPersisted });
  }

  async #set(
    name: string,
    settings: StreamSettings | null,
    { isNew, isPersisted }: { readonly isNew: boolean; readonly isPersisted: boolean },
  ): Promise<StreamChange> {
    const { store, check } = this.#options;
    const changes = new Map([...this.#changes, [name, settings]]);
    check(this.#effective(this.#given, changes));
    let given = this.#given;
    if (isPersisted) {
      if (store === null)
        throw new GearwayError(
          'config-missing',
          'the gateway has no configuration file, expected one for persist=true; start it with --config FILE, or omit persist',
        );
      given = await store.save(name, settings);
      changes.delete(name);
    }
    const { problems } = await this.#apply(given, changes);
    return { name, isNew, isPersisted, settings: settings === null ? null : withoutSecrets(settings), problems };
  }

  async #apply(given: GatewayOptions, changes: ReadonlyMap<string, StreamSettings | null>): Promise<Reconfiguration> {
    const result = await this.#options.apply(this.#effective(given, changes));
    this.#given = given;
    this.#changes = changes;
    return result;
  }

  #checkNew(name: string): void {
    const options = this.#effective(this.#given, this.#changes);
    if (streamOf(listStreams(options), name) === null) return;
    const fed = createSources(listSources(options), SILENT_LOGGER).filter(({ entry }) => entry === name);
    const others = fed.filter((stream) => stream.name !== name).map((stream) => stream.name);
    throw new GearwayError(
      'stream-exists',
      `there is already a source called ${name}${others.length === 0 ? '' : `, which feeds ${others.join(', ')}`}; choose another name, or change that one`,
    );
  }

  #existing(name: string): StreamSettings {
    const streams = this.#current();
    const settings = streamOf(streams, name);
    if (settings === null)
      throw new GearwayError(
        'stream-unknown',
        `stream is ${JSON.stringify(name)}, expected the name of a source: ${Object.keys(streams).join(', ') || 'there is none with a name'}`,
      );
    return settings;
  }

  #current(): NamedStreams {
    return listStreams(this.#effective(this.#given, this.#changes));
  }

  #effective(given: GatewayOptions, changes: ReadonlyMap<string, StreamSettings | null>): GatewayOptions {
    if (changes.size === 0) return given;
    const named = withNames(given);
    const streams = new Map(Object.entries(named.streams ?? {}));
    for (const [name, settings] of changes) {
      if (settings === null) streams.delete(name);
      else streams.set(name, settings);
    }
    return { ...named, streams: Object.fromEntries(streams) };
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

/** All streams of some options, by the names of their sources. @throws {GearwayError} for invalid sources. */
export function listStreams(options: GatewayOptions): NamedStreams {
  return withNames(options).streams ?? {};
}

function withNames(options: GatewayOptions): GatewayOptions {
  return nameStreams(options, createSources(listSources(options), SILENT_LOGGER));
}

function addressesOf({ source, clients = [] }: StreamSettings): readonly string[] {
  return [source, ...clients];
}

function withoutSecrets(settings: StreamSettings): StreamSettings {
  const { hide } = redactorOfUrls(addressesOf(settings));
  return {
    ...settings,
    source: hide(settings.source),
    ...(settings.clients === undefined ? {} : { clients: settings.clients.map(hide) }),
  };
}

/** Replaces addresses that equal the output of {@link withoutSecrets} with those of the stream. */
function restoreSecrets(settings: StreamSettings, before: StreamSettings | null): StreamSettings {
  const { hide } = redactorOfUrls(before === null ? [] : addressesOf(before));
  const restore = (address: string, known: readonly string[]): string => {
    const restored = known.find((old) => hide(old) === address) ?? address;
    if (restored === address && /:…@|=…/.test(address))
      throw new GearwayError('option-invalid', 'an address has … in place of a password, expected the password');
    return restored;
  };
  const { source, clients } = settings;
  return {
    ...settings,
    source: restore(source, before === null ? [] : [before.source]),
    ...(clients === undefined ? {} : { clients: clients.map((client) => restore(client, before?.clients ?? [])) }),
  };
}

/**
 * Administrators of the gateway need not have access to its file system, so the API accepts no addresses that write to
 * it. Addresses that the stream already has may stay.
 *
 * @param body options that have not been checked.
 */
function checkRisks(body: unknown, before: StreamSettings | null): void {
  const known = before === null ? [] : addressesOf(before);
  const texts = Object.values(body ?? {}).flatMap((value: unknown) => value);
  for (const address of texts) {
    const found = typeof address !== 'string' || known.includes(address) ? null : riskyPart(address);
    if (found !== null)
      throw new GearwayError(
        'option-invalid',
        `an address has ${found}, which the API does not accept, because it could write files on the gateway's machine; set it in the configuration file or on the command line`,
      );
  }
}

/** The part of an address that could write files; null if there is none. */
function riskyPart(address: string): string | null {
  const kind = address.slice(0, Math.max(0, address.indexOf(':'))).toLowerCase();
  if (kind === 'mjpeg') return null; // These are the camera's own parameters.
  const after = (at: number): URLSearchParams => new URLSearchParams(at < 0 ? '' : address.slice(at + 1));
  if (kind !== 'ffmpeg') return after(address.indexOf('?')).has('keys') ? 'keys=' : null;
  // A single source writes no files, but filters after it can (metadata=mode=print:file=…).
  if (/^ffmpeg:lavfi:.*[,;[\]]/is.test(address)) return 'a graph of several filters';
  const parameters = after(address.lastIndexOf('?'));
  if (parameters.getAll('format').some((format) => /^lavfi$/i.test(format))) return 'format=lavfi';
  const found = FFMPEG_ARGUMENTS.find((name) => parameters.has(name));
  return found === undefined ? null : `${found}=`;
}

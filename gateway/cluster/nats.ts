import type { KV, Kvm } from '@nats-io/kv';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { isCertificateError } from '../../shared/system-errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { readRegularFile } from '../process/regular-file.ts';
import { sleep } from '../sources/sleep.ts';
import { findAnsweringServer } from './answering-server.ts';
import type { ClusterAddress } from './cluster-address.ts';
import { RareWarnings } from './rare-warnings.ts';
import { isNoResponders } from './request-errors.ts';
import { chooseServer, cut, SilentServerWatch } from './silent-server.ts';
import { StartNotice } from './start-notice.ts';
import type { Replica, Store, StoredEntry } from './store.ts';
import { unlessAborted } from './unless-aborted.ts';

/** The connections of a gateway to the NATS servers. The creator closes them. */
export interface NatsConnections extends AsyncDisposable {
  /** Connection for all messages except frames, so that they never wait behind frames. */
  readonly control: NatsConnection;
  /** Connection for frames. */
  readonly frames: NatsConnection;
  /** Maximum number of bytes of a message. */
  readonly maxPayload: number;
  /**
   * Calls `listener` whenever the connection for frames was restored, because its subscriptions have lost their limits.
   */
  onFramesReconnected(listener: () => void): () => void;
  /**
   * Opens the bucket, which is created if it does not exist.
   *
   * @throws {GearwayError} `cluster-unsuitable`, `closed` when the signal aborts.
   */
  openStore(signal: AbortSignal): Promise<NatsStore>;
}

/** How long to try to reach a server at the start, because containers start in any order. */
const CONNECT_TIMEOUT_MS = 20_000;
const CONNECT_RETRY_MS = 500;

/** Maximum size of a file with credentials or certificates. */
const MAX_FILE_BYTES = 1 << 20;

/** Time after which a read or a write counts as failed. */
const TIMEOUT_MS = 1000;

/** Expiry of a key that is not written again: longer than any reservation of a port. */
const KEY_TTL_MS = 3_600_000;

/** Minimum version of the NATS server: KV with expiry, and reads from the leader. */
const MIN_SERVER = [2, 9] as const;

/** Error codes of the JetStream API. */
const WRONG_REVISION = [10_071, 10_164];
const NO_BUCKET = 10_059;

/**
 * Connects to NATS.
 *
 * @throws {GearwayError} `cluster-unreachable`, `cluster-unsuitable` if the server is too old, `option-invalid` for a
 * file that cannot be read, `closed` when the signal aborts.
 */
export async function connectNats(address: ClusterAddress, log: Logger, signal: AbortSignal): Promise<NatsConnections> {
  const [{ connect, credsAuthenticator }, { Kvm }, { jetstream }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('@nats-io/kv'),
    import('@nats-io/jetstream'),
  ]);
  const { servers, isTls, user, password, credentials, ca, cert, key, domain } = address;
  const createKvm = (connection: NatsConnection): Kvm =>
    new Kvm(domain === null ? connection : jetstream(connection, { domain }));
  const answering: AnsweringServer = { current: null };
  const options: NodeConnectionOptions = {
    servers: [...servers],
    name: 'gearway',
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    // The library's own pings are not needed: SilentServerWatch sends pings more often.
    pingInterval: 60_000,
    reconnectToServer: (known) => chooseServer(known, answering.current),
    timeout: 3000,
    ...(user === null ? {} : password === null ? { token: user } : { user, pass: password }),
    ...(credentials === null ? {} : { authenticator: credsAuthenticator(readOption('credentials', credentials)) }),
    ...(isTls
      ? {
          tls: {
            ...(ca === null ? {} : { ca: readText('ca', ca) }),
            ...(cert === null ? {} : { cert: readText('cert', cert) }),
            ...(key === null ? {} : { key: readText('key', key) }),
          },
        }
      : {}),
  };
  const connectUnlessAborted = async (): Promise<NatsConnection> => {
    const connecting = connect(options);
    try {
      return await unlessAborted(connecting, signal);
    } catch (error) {
      // The library cannot abort an attempt.
      if (signal.aborted)
        runInBackground(
          connecting.then((connection) => connection.close()),
          () => undefined,
        );
      throw error;
    }
  };
  const open = async (): Promise<NatsConnection> => {
    const notice = new StartNotice(log, `no NATS server has answered yet at ${servers.join(', ')}`, CONNECT_TIMEOUT_MS);
    const untilMs = performance.now() + CONNECT_TIMEOUT_MS;
    try {
      for (;;) {
        try {
          return await connectUnlessAborted();
        } catch (error) {
          if (signal.aborted) throw error;
          const reason = explain(error, isTls && cert === null);
          if (performance.now() > untilMs || isRefusal(error)) {
            throw new GearwayError(
              'cluster-unreachable',
              `no NATS server can be reached at ${servers.join(', ')}: ${reason}`,
              { cause: error },
            );
          }
          notice.reason = reason;
          await sleep(CONNECT_RETRY_MS, signal);
        }
      }
    } finally {
      notice.close();
    }
  };
  const control = await open();
  const frames = await open().catch(async (error: unknown) => {
    await control.close();
    throw error;
  });
  const connections = new Connections(control, frames, { address, createKvm, answering, log });
  try {
    connections.checkServer();
  } catch (error) {
    await connections[Symbol.asyncDispose]();
    throw error;
  }
  return connections;
}

/** The server that has answered last, when the server of a connection was silent. */
interface AnsweringServer {
  current: { readonly server: string; readonly atMs: number } | null;
}

/** Whether the NATS user of this gateway lacks permissions. */
export function lacksPermission(error: unknown): boolean {
  return /permissions? violation/i.test(errorText(error));
}

/** @param remedy for all causes except missing permissions. */
export function unsuitable(problem: string, error: unknown, remedy: string): GearwayError {
  const hint = lacksPermission(error)
    ? 'give its user the permissions listed in docs/scale-out.md (Protect the NATS server)'
    : remedy;
  return new GearwayError('cluster-unsuitable', `${problem} (${errorText(error)}): ${hint}`, { cause: error });
}

/** Whether retrying is useless: the server responds, but one side rejects the other. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    (/authorization|authentication|permission|does not support 'tls'/i.test(error.message) ||
      isCertificateError(systemCode(error)) ||
      systemCode(error).startsWith('ERR_SSL_'))
  );
}

/** @param mayNeedCertificate whether TLS is used without a certificate of this gateway. */
function explain(error: unknown, mayNeedCertificate: boolean): string {
  const code = systemCode(error);
  // A TLS alert of the server. OpenSSL's text names its source files, but not the cause.
  if (code.startsWith('ERR_SSL_') && isCertificateError(code))
    return `the server rejects this gateway's certificate, or requires one: ?cert=FILE&key=FILE (${code})`;
  if (isCertificateError(code)) return `${errorText(error)}; name the file of its authority: ?ca=FILE`;
  // With TLS 1.3, the rejection comes after the handshake, and is often lost.
  if (mayNeedCertificate && error instanceof Error && error.name === 'TimeoutError')
    return 'the server does not respond; it may require a certificate: ?cert=FILE&key=FILE';
  if (code.startsWith('ERR_SSL_')) return `the TLS connection failed (${code})`;
  if (/authorization|authentication/i.test(errorText(error)))
    return `the server refuses the log-in (${errorText(error)}); check USER:PASSWORD@ or ?credentials=FILE in the address of the cluster`;
  return `${errorText(error)}; check that nats-server runs there, and the address of the cluster`;
}

function systemCode(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

function readText(option: string, path: string): string {
  return Buffer.from(readOption(option, path)).toString('utf8');
}

function readOption(option: string, path: string): Uint8Array {
  try {
    return readRegularFile(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new GearwayError(
      'option-invalid',
      `the file of the cluster's option ${option} cannot be read: ${errorText(error)}`,
      { cause: error },
    );
  }
}

interface ConnectionsOptions {
  readonly address: ClusterAddress;
  readonly createKvm: (connection: NatsConnection) => Kvm;
  readonly answering: AnsweringServer;
  readonly log: Logger;
}

class Connections implements NatsConnections {
  readonly control: NatsConnection;
  readonly frames: NatsConnection;
  readonly #address: ClusterAddress;
  readonly #createKvm: (connection: NatsConnection) => Kvm;
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  readonly #watches: readonly SilentServerWatch[];
  #store: NatsStore | null = null;

  constructor(
    control: NatsConnection,
    frames: NatsConnection,
    { address, createKvm, answering, log }: ConnectionsOptions,
  ) {
    this.control = control;
    this.frames = frames;
    this.#address = address;
    this.#createKvm = createKvm;
    this.#log = log;
    this.#watches = [control, frames].map((connection) => {
      const watch = new SilentServerWatch({
        receivedBytes: () => connection.stats().inBytes,
        ping: () => connection.flush(),
        findServer: async () => {
          const { info } = connection;
          const server = await findAnsweringServer([...address.servers, ...(info?.connect_urls ?? [])]);
          if (server !== null) answering.current = { server, atMs: Date.now() };
          return server !== null;
        },
        noServer: () => {
          if (connection === control)
            log.warn({}, `the NATS server ${connection.getServer()} is silent, and no server answers`);
        },
        cut: () => {
          log.warn(
            {},
            `the NATS server ${connection.getServer()} is silent, but ${answering.current?.server ?? 'another one'} answers`,
          );
          cut(connection);
        },
      });
      watch.start();
      runInBackground(this.#follow(connection, watch), (error) => log.error({}, errorText(error)));
      return watch;
    });
  }

  get maxPayload(): number {
    return this.frames.info?.max_payload ?? 1 << 20;
  }

  checkServer(): void {
    const version = this.control.info?.version ?? '0';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < MIN_SERVER[0] || (major === MIN_SERVER[0] && minor < MIN_SERVER[1])) {
      throw new GearwayError(
        'cluster-unsuitable',
        `the NATS server has version ${version}, expected ${MIN_SERVER.join('.')} or newer`,
      );
    }
  }

  onFramesReconnected(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async openStore(signal: AbortSignal): Promise<NatsStore> {
    const { cluster, replicas } = this.#address;
    // A single server has no NATS cluster name.
    const count = replicas ?? (this.control.info?.cluster === undefined ? 1 : 3);
    const openBucket = (): Promise<KV> =>
      this.#createKvm(this.control).create(cluster, {
        replicas: count,
        history: 1,
        ttl: KEY_TTL_MS,
        allow_direct: false,
        timeout: TIMEOUT_MS,
      });
    const notice = new StartNotice(
      this.#log,
      "the NATS server does not keep the cluster's directory yet",
      CONNECT_TIMEOUT_MS,
    );
    const untilMs = performance.now() + CONNECT_TIMEOUT_MS;
    try {
      for (;;) {
        try {
          this.#store = new NatsStore(await unlessAborted(openBucket(), signal), openBucket, this.#log);
          return this.#store;
        } catch (error) {
          if (signal.aborted) throw error;
          if (performance.now() > untilMs || lacksPermission(error)) {
            const remedy =
              count === 1
                ? 'start nats-server with -js'
                : `start at least ${count} NATS servers with JetStream, or add ?replicas=1 to the address of the cluster`;
            throw unsuitable("the NATS server cannot keep the cluster's directory", error, remedy);
          }
          notice.reason = errorText(error);
          await sleep(CONNECT_RETRY_MS, signal);
        }
      }
    } finally {
      notice.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store?.close();
    for (const watch of this.#watches) watch.stop();
    await Promise.all([this.control.close(), this.frames.close()]);
  }

  async #follow(connection: NatsConnection, watch: SilentServerWatch): Promise<void> {
    const isControl = connection === this.control;
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        watch.stop();
        if (!isControl) continue;
        this.#log.warn({}, `the connection to ${status.server} is lost`);
        this.#store?.disconnected();
      }
      if (status.type !== 'reconnect') continue;
      watch.start();
      if (isControl) {
        this.#log.info({}, `connected to ${status.server}`);
        this.#store?.disconnected();
        this.#store?.watchAgain();
      } else for (const listener of this.#listeners) listener();
    }
  }
}

/** If a write of this gateway has not arrived through the watch after this time, the watch is broken. */
const WATCH_TIMEOUT_MS = 1000;

/** The {@link Store} in a KV bucket of JetStream. */
export class NatsStore implements Store {
  readonly #openBucket: () => Promise<KV>;
  readonly #log: Logger;
  readonly #warnings: RareWarnings;
  readonly #closing = new AbortController();
  #kv: KV;
  #replica: Replica | null = null;
  #stopWatch: (() => void) | null = null;
  /** The oldest write of this gateway that has not arrived through the watch. */
  #awaited: { readonly revision: number; readonly atMs: number } | null = null;
  #newest = 0;
  /** Functions that make the pending reads and writes fail. */
  readonly #pending = new Set<(error: Error) => void>();

  constructor(kv: KV, openBucket: () => Promise<KV>, log: Logger) {
    this.#kv = kv;
    this.#openBucket = openBucket;
    this.#log = log;
    this.#warnings = new RareWarnings(log);
  }

  /** Keeps the replica up to date until the connections are closed. */
  follow(replica: Replica): void {
    this.#replica = replica;
    runInBackground(this.#watch(replica), (error) =>
      this.#log.error({}, `the directory is no longer followed: ${errorText(error)}`),
    );
  }

  async put(key: string, text: string): Promise<number> {
    if (this.#awaited !== null && performance.now() - this.#awaited.atMs > WATCH_TIMEOUT_MS) this.watchAgain();
    try {
      return this.#written(await this.#ask(() => this.#kv.put(key, text, { timeout: TIMEOUT_MS })));
    } catch (error) {
      if (codeOf(error) !== NO_BUCKET && !isNoResponders(error)) throw error;
      // The servers have lost their files, or have been replaced.
      this.#kv = await this.#openBucket();
      return this.#written(await this.#ask(() => this.#kv.put(key, text, { timeout: TIMEOUT_MS })));
    }
  }

  async update(key: string, text: string, expected: number): Promise<number | null> {
    try {
      const options = { previousSeq: expected, timeout: TIMEOUT_MS };
      return this.#written(await this.#ask(() => this.#kv.put(key, text, options)));
    } catch (error) {
      if (WRONG_REVISION.includes(codeOf(error) ?? 0)) return null;
      throw error;
    }
  }

  async get(key: string): Promise<StoredEntry | null> {
    const entry = await this.#ask(() => this.#kv.get(key));
    return entry === null || entry.operation !== 'PUT' ? null : { key, text: entry.string(), revision: entry.revision };
  }

  /**
   * Call when the connection was lost or restored. Pending reads and writes fail immediately: they, or their answers,
   * were lost.
   */
  disconnected(): void {
    for (const fail of this.#pending) fail(new Error('the connection to the NATS server was lost'));
  }

  /** Restarts the watch, from the current values of all keys. */
  watchAgain(): void {
    this.#awaited = null;
    this.#stopWatch?.();
  }

  close(): void {
    this.#closing.abort();
    this.#stopWatch?.();
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    let fail: (error: Error) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => (fail = reject));
    this.#pending.add(fail);
    // The library has no configurable timeout for reads.
    const timer = setTimeout(() => fail(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    try {
      return await Promise.race([request(), failed]);
    } finally {
      clearTimeout(timer);
      this.#pending.delete(fail);
    }
  }

  #written(revision: number): number {
    if (revision < this.#newest) {
      this.#log.warn({}, 'the directory is empty, because the NATS servers have lost it; it is written again');
      this.#newest = 0;
      this.#replica?.clear();
      this.watchAgain();
    }
    this.#newest = Math.max(this.#newest, revision);
    this.#awaited ??= { revision, atMs: performance.now() };
    return revision;
  }

  async #watch(replica: Replica): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const watch = await this.#kv.watch();
        this.#stopWatch = () => watch.stop();
        if (signal.aborted) watch.stop();
        for await (const { key, revision, operation, value } of watch) {
          if (this.#awaited !== null && revision >= this.#awaited.revision) this.#awaited = null;
          if (operation === 'PUT') replica.apply({ key, text: Buffer.from(value).toString('utf8'), revision });
        }
      } catch (error) {
        if (!signal.aborted) this.#warnings.warn(`the directory cannot be read: ${errorText(error)}`);
        await sleep(WATCH_RETRY_MS, signal);
      }
    }
  }
}

const WATCH_RETRY_MS = 250;

function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}

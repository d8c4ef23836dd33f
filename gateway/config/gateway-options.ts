import type { Logger, LogLevel } from '../../shared/logger.ts';
import type { StreamPolicy } from '../hub/stream.ts';
import type { Right } from '../rights/principal.ts';
import type { WebhookEvent } from '../webhooks/webhook-settings.ts';

/** Treatment of clients by one stream. */
export interface NativePolicy extends StreamPolicy {
  /** Frames that the clients get while the source has none: a placeholder frame and repeats, or nothing. */
  readonly idle: 'card' | 'silence';
}

/** Options of one stream, as in a configuration file. */
export interface StreamSettings extends Partial<NativePolicy> {
  /** Source URL, without a name. */
  readonly source: string;
  /** Native clients, without names. */
  readonly clients?: readonly string[];
  readonly virtualPorts?: string;
  /** Whether viewers with slow links get renditions. */
  readonly renditions?: 'auto' | 'off';
}

/** A token or user, and its rights. */
export interface TokenSettings {
  /** Hash of the token or password, as `gearway token` prints it. */
  readonly hash: string;
  readonly rights: readonly Right[];
  /** Names of the streams to which the rights apply. Default all. */
  readonly streams?: readonly string[];
  /** Virtual port that is reserved for this token, and the only one that it may use. Default any. */
  readonly port?: number;
  /** RFC 3339, or a date for the end of that day in UTC. Default never. */
  readonly expires?: string;
  /** Maximum number of viewers, bit rate of all of them together, and values that they return. Default none. */
  readonly limits?: {
    readonly viewers?: number;
    /** `4M`, `500k`, or bits per second. */
    readonly bitrate?: string | number;
    readonly returnsPerSecond?: number;
  };
}

/** How JSON Web Tokens are verified. Their claims `rights`, `streams` and `port` are like those of a token. */
export interface JwtOptions {
  /** Shared secret of HS256, at least 32 characters. */
  readonly secret?: string;
  /** Public keys of RS256 and ES256: a JWK set as JSON, or its URL. */
  readonly keys?: string;
  /** Required `iss` claim. Default any. */
  readonly issuer?: string;
  /** Required `aud` claim. Default any. */
  readonly audience?: string;
}

/** A URL to which events are posted as JSON. */
export interface WebhookOptions {
  /** `http:` or `https:`. */
  readonly url: string;
  /** Kinds of events, and states of streams. Default all. */
  readonly events?: readonly WebhookEvent[];
  /** Names of streams. Default all streams, and events of the whole gateway. */
  readonly streams?: readonly string[];
  /** `whsec_` and 24 to 64 bytes in Base64; signs each message. Default none: messages are not signed. */
  readonly secret?: string;
  /** Time within which the receiver must answer, in seconds. Default 10. */
  readonly timeout?: number;
}

/** Maximum numbers of concurrent viewers, publishers and requests, each optional. docs/limits.md lists the defaults. */
export type LimitSettings = Readonly<
  Record<
    'viewers' | 'publishers' | 'mjpegClients' | 'eventFollowers' | 'snapshots',
    { readonly total?: number; readonly perAddress?: number }
  >
>;

/**
 * Options of `createGateway()`; every field has a default. The names and meanings are those of `CONFIG_SCHEMA`, with
 * files already read and references replaced, and with `source` as the short form of `streams`.
 */
export interface GatewayOptions extends Partial<StreamPolicy> {
  /**
   * Address on which to listen. Default `127.0.0.1`; an address other than loopback requires `token`, `tokens`, `jwt`
   * or `insecure`.
   */
  readonly host?: string;
  /** 0 for any free port. Default 8080. */
  readonly port?: number;
  /**
   * Source URL: `test-pattern:?size=1280x720&fps=30`, `netgear:tcp://127.0.0.1:5555?pattern=1`, or `push:` for
   * `stream.push()` and other publishers; docs/source-urls.md lists all. A list of `NAME=URL` creates one stream per
   * entry. Default `push:`.
   */
  readonly source?: string | readonly string[];
  /** Streams by name, instead of or in addition to `source`. Default none. */
  readonly streams?: Readonly<Record<string, StreamSettings>>;
  /** Default: docs/limits.md. */
  readonly limits?: Partial<LimitSettings>;
  /**
   * Native clients, `tcp://HOST:PORT?pattern=1`; docs/netgear-options.md lists the options. `NAME=tcp://…` adds the
   * client to the stream of that name. Default none.
   */
  readonly clients?: readonly string[];
  /**
   * Ports for web viewers, `FROM-TO` or `PORT,PORT`, with `NAME=` before it for one stream. Default `6000-6063` for
   * each stream; a source in multi-clients mode defines its own.
   */
  readonly virtualPorts?: string | readonly string[];
  /**
   * TLS certificate chain and key as PEM. Browsers require TLS to use the camera from another machine. Default none.
   */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * Token that viewers and the API require; it grants all rights. Default none: without `tokens` and `jwt`, requests
   * from this machine may watch, return data and publish, and administering requires `Gateway.administratorKey`.
   */
  readonly token?: string;
  /** Token that grants only viewing and reading the API. Requires `token`, `tokens` or `jwt`. Default none. */
  readonly viewToken?: string;
  /**
   * Token that grants only publishing, to streams whose source is `push:`. If set, publishing always requires a token.
   * Default none.
   */
  readonly publishToken?: string;
  /**
   * Tokens and users with separate rights, by name. With any of them, requests from this machine need a token, too.
   * Default none.
   */
  readonly tokens?: Readonly<Record<string, TokenSettings>>;
  /** Accepts JSON Web Tokens. Requests from this machine then need a token, too. Default none. */
  readonly jwt?: JwtOptions;
  /**
   * Tokens of reserved virtual ports, by port, in each stream that has the port. Such a token grants viewing, and
   * returning data only on that port. Default none.
   */
  readonly reservedPorts?: Readonly<Record<number, string>>;
  /**
   * Whether viewers with slow links get renditions, that is, H.264 or smaller JPEGs: `auto` or `off`, with `NAME=`
   * before it for one stream. Default `auto`.
   */
  readonly renditions?: string | readonly string[];
  /** Maximum bit rate of one web viewer, in bits per second. Default none. */
  readonly viewerMaxBitrate?: number;
  /** Whether anyone who can reach the gateway may watch and return data without a token. Default false. */
  readonly insecure?: boolean;
  /** Origins (`https://example.org`) whose pages may embed the viewer. Default none. */
  readonly allowOrigins?: readonly string[];
  /**
   * Public address of the gateway behind a proxy, `https://example.org/cams/`: its name and origin are accepted, and
   * links use it. Default none.
   */
  readonly publicUrl?: string;
  /**
   * Additional host names of the gateway, `box.lan` or `box.lan:8080`. This machine's name, alone and with `.local`, is
   * always accepted. Default none.
   */
  readonly allowHosts?: readonly string[];
  /**
   * Proxies whose `X-Forwarded-For`, `-Host` and `-Proto` are trusted: IP addresses, ranges such as `10.0.0.0/8`, or
   * `loopback`. Default none.
   */
  readonly trustProxies?: readonly string[];
  /** URLs to which events are posted, by name. Default none. */
  readonly webhooks?: Readonly<Record<string, WebhookOptions>>;
  /** File to which administrative changes and return data are appended as lines of JSON. Default none. */
  readonly auditLog?: string;
  /** Folder in which log-ins and share links are kept, so that they outlast the process. Default none. */
  readonly stateDir?: string;
  /**
   * Right that `GET /metrics` requires: `view` (which programs on this machine have, unless tokens are required),
   * `administer`, or `public` for none. Default `view`.
   */
  readonly metricsRight?: 'public' | 'view' | 'administer';
  /**
   * Frames for native clients while the source has none: a placeholder frame and repeats (`card`), or nothing. Default
   * `card`.
   */
  readonly idle?: 'card' | 'silence';
  /**
   * Whether closing terminates native clients. Default `keep`; the command terminates on SIGINT and keeps on SIGTERM.
   */
  readonly onClose?: 'keep' | 'terminate';
  /**
   * NATS servers by which gateways form a cluster: `nats://HOST:4222`, `tls://USER:PASSWORD@HOST,HOST?ca=FILE`. Every
   * gateway then serves the streams of all. Default none.
   */
  readonly cluster?: string;
  /**
   * Names of streams that are configured at other gateways of the cluster, too: one gateway runs the source at a time.
   * Default none.
   */
  readonly failover?: readonly string[];
  /**
   * Called with one line at a time; or a logger with the methods `error`, `warn`, `info`, `debug` and `child` of pino,
   * which formats entries and has a level of its own. Default: no log.
   */
  readonly log?: ((line: string) => void) | Logger;
  /** Entries of lower levels are not logged. Default `info`. */
  readonly logLevel?: LogLevel;
  /** Lines of text without the time, or of JSON with it. Default `text`. */
  readonly logFormat?: 'text' | 'json';
}

/** Effect of a new configuration, by names of streams. */
export interface Reconfiguration {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Streams whose source, options or native clients have changed. */
  readonly changed: readonly string[];
  /** Names of the tokens and users that were added, changed or removed. */
  readonly rights: readonly string[];
  /** Names of the webhooks that were added, changed or removed. */
  readonly webhooks: readonly string[];
  /** Options that have changed, but take effect only after a restart. */
  readonly needsRestart: readonly string[];
  /** Problems that prevented parts of the change, as sentences: for example, a native client whose keys are missing. */
  readonly problems: readonly string[];
}

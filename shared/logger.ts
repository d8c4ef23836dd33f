/** Levels of log entries, from the most important one. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Fields of a log entry, for programs that read the log. */
export interface LogFields {
  /** Part of the gateway: `cluster`, `configuration`, … */
  readonly component?: string;
  readonly stream?: string;
  /** Name of a webhook. */
  readonly webhook?: string;
  /** Id of a client, as in its status. */
  readonly client?: string;
  /** Port of a client in the stream. */
  readonly port?: number;
  /** Name and address of a client, a publisher or another sender. */
  readonly peer?: string;
  /** Kind of an event, as in `GET /api/events`. */
  readonly event?: string;
  /** State of a stream. */
  readonly state?: string;
  /** Code of a refusal or an error. */
  readonly code?: string;
  /** Name of the token or user of an administrator. */
  readonly principal?: string;
  /** HTTP method, route and status. */
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly milliseconds?: number;
  /** Stack of an unexpected error. */
  readonly stack?: string;
}

/**
 * The part of pino's interface that the gateway uses, so that a logger of pino or Fastify is accepted. Messages are
 * sentences that are complete without the fields, except that they omit the names of component, stream and webhook.
 */
export interface Logger {
  error(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  /** Returns a logger that adds these fields to each entry. */
  child(fields: LogFields): Logger;
}

/** Discards all entries. */
export const SILENT_LOGGER: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => SILENT_LOGGER,
};

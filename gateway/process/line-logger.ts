import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from '../../shared/logger.ts';

/** How entries are written. The owner may change it at any time. */
export interface LineLoggerSettings {
  /** Entries of lower levels are discarded. Default `info`. */
  level?: LogLevel;
  /** `text`: readable lines; `json`: one object per line, for log collectors. Default `text`. */
  format?: 'text' | 'json';
  /** Whether lines of text begin with the time. */
  readonly hasTime: boolean;
  /** Whether lines begin with their priority, in the format of systemd's journal (sd-daemon(3)). Default false. */
  readonly hasPriority?: boolean;
}

const DEFAULT_LEVEL = 'info';
const DEFAULT_FORMAT = 'text';

/** Beginning of a line of text, by level. Most entries have the level `info`. */
const WORDS: Readonly<Record<LogLevel, string>> = { error: 'error: ', warn: 'warning: ', info: '', debug: 'debug: ' };

/** Applies the settings of the given options, or their defaults. */
export function applyLogOptions(
  settings: LineLoggerSettings,
  { logLevel, logFormat }: { readonly logLevel?: LogLevel; readonly logFormat?: 'text' | 'json' },
): void {
  settings.level = logLevel ?? DEFAULT_LEVEL;
  settings.format = logFormat ?? DEFAULT_FORMAT;
}

/** Priorities of syslog(3). */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** Formats each entry as one line. Messages must not contain line breaks. */
export class LineLogger implements Logger {
  readonly #write: (line: string) => void;
  readonly #settings: LineLoggerSettings;
  readonly #fields: LogFields;

  /** @param write called with each line, without a line break. */
  constructor(write: (line: string) => void, settings: LineLoggerSettings, fields: LogFields = {}) {
    this.#write = write;
    this.#settings = settings;
    this.#fields = fields;
  }

  error(fields: LogFields, message: string): void {
    this.#add('error', fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#add('warn', fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#add('info', fields, message);
  }

  debug(fields: LogFields, message: string): void {
    this.#add('debug', fields, message);
  }

  child(fields: LogFields): LineLogger {
    return new LineLogger(this.#write, this.#settings, { ...this.#fields, ...fields });
  }

  #add(level: LogLevel, fields: LogFields, message: string): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.#settings.level ?? DEFAULT_LEVEL)) return;
    this.#write(formatEntry(this.#settings, level, { ...this.#fields, ...fields }, message));
  }
}

/** Formats one entry as a line, without a line break. */
export function formatEntry(
  { format, hasTime, hasPriority = false }: LineLoggerSettings,
  level: LogLevel,
  fields: LogFields,
  message: string,
): string {
  const time = new Date().toISOString();
  const priority = hasPriority ? `<${PRIORITIES[level]}>` : '';
  if (format === 'json') return `${priority}${JSON.stringify({ time, level, ...fields, msg: message })}`;
  const { component, stream, webhook } = fields;
  const scope = [
    ...(component === undefined ? [] : [`${component}: `]),
    ...(stream === undefined ? [] : [`stream ${stream}: `]),
    ...(webhook === undefined ? [] : [`webhook ${webhook}: `]),
  ].join('');
  return `${priority}${hasTime ? `${time} ` : ''}${WORDS[level]}${scope}${message}`;
}

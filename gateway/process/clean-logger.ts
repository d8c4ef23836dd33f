import { cleanText } from '../../shared/clean-text.ts';
import type { LogFields, Logger } from '../../shared/logger.ts';

/** Maximum length of a message, in code points. */
const MAX_MESSAGE = 2000;

/** Cleans messages and fields, which may contain untrusted input, so that they cannot inject lines. */
export class CleanLogger implements Logger {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  error(fields: LogFields, message: string): void {
    this.#logger.error(cleanFields(fields), cleanText(message, MAX_MESSAGE));
  }

  warn(fields: LogFields, message: string): void {
    this.#logger.warn(cleanFields(fields), cleanText(message, MAX_MESSAGE));
  }

  info(fields: LogFields, message: string): void {
    this.#logger.info(cleanFields(fields), cleanText(message, MAX_MESSAGE));
  }

  debug(fields: LogFields, message: string): void {
    this.#logger.debug(cleanFields(fields), cleanText(message, MAX_MESSAGE));
  }

  child(fields: LogFields): CleanLogger {
    return new CleanLogger(this.#logger.child(cleanFields(fields)));
  }
}

function cleanFields(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === 'string' ? cleanText(value, MAX_MESSAGE) : value,
    ]),
  );
}

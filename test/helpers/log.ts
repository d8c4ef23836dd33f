import type { Logger } from '../../shared/logger.ts';
import { LineLogger } from '../../gateway/process/line-logger.ts';

/** A logger that appends each entry to a list, as a line of text without the time. */
export function logTo(lines: string[]): Logger {
  return new LineLogger((line) => lines.push(line), { level: 'info', format: 'text', hasTime: false });
}

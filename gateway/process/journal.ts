import { fstatSync } from 'node:fs';

/**
 * Whether a stream of this process is connected to systemd's journal, as systemd.exec(5) describes.
 *
 * @param descriptor file descriptor of the stream.
 * @param variable value of `JOURNAL_STREAM`.
 */
export function isJournal(descriptor: number, variable: string | undefined): boolean {
  if (variable === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor);
    return variable === `${dev}:${ino}`;
  } catch {
    return false; // The stream is closed.
  }
}

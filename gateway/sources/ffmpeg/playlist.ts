import { dirname, resolve } from 'node:path';
import { GearwayError } from '../../../shared/errors.ts';

/** Maximum number of files in a playlist, which may be untrusted. */
const MAX_FILES = 10_000;

/**
 * Converts an M3U playlist to a list for FFmpeg's concat demuxer. Paths are relative to the playlist's folder.
 *
 * @param path path of the playlist.
 * @throws {GearwayError} `source-invalid` if it is empty, or contains anything but local files.
 */
export function formatConcatList(m3u: string, path: string): string {
  const entries = m3u
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (entries.length === 0 || entries.length > MAX_FILES)
    throw invalid(`the playlist has ${entries.length} files, expected 1 to ${MAX_FILES}`);
  const foreign = entries.find((entry) => /^[a-z][a-z0-9+.-]*:\/\//i.test(entry) || entry.includes('\0'));
  if (foreign !== undefined)
    throw invalid('the playlist contains an entry that is not a local file, expected only paths');
  return [
    'ffconcat version 1.0',
    ...entries.map((entry) => `file ${quote(`file:${resolve(dirname(path), entry)}`)}`),
    '',
  ].join('\n');
}

/**
 * Quotes a string for FFmpeg: everything between single quotes is literal; a single quote is escaped outside of them.
 */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}

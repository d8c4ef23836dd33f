import { dirname, resolve } from 'node:path';
import { GearwayError } from '../../../shared/errors.ts';

/** Files of a list, which a person may have downloaded. */
const MAX_FILES = 10_000;

/**
 * Makes the list that FFmpeg's concat demuxer reads of an M3U playlist: of the files of this machine in it, relative to its own folder.
 *
 * @param path of the playlist.
 * @throws {GearwayError} `source-invalid` for one that is empty, or names something else than files.
 */
export function formatConcatList(m3u: string, path: string): string {
  const entries = m3u
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (entries.length === 0 || entries.length > MAX_FILES) throw invalid(`the playlist has ${entries.length} files, expected 1 to ${MAX_FILES}`);
  const foreign = entries.find((entry) => /^[a-z][a-z0-9+.-]*:\/\//i.test(entry) || entry.includes('\0'));
  if (foreign !== undefined) throw invalid('the playlist names something else than files of this machine, expected their paths');
  return ['ffconcat version 1.0', ...entries.map((entry) => `file ${quote(`file:${resolve(dirname(path), entry)}`)}`), ''].join('\n');
}

/** As FFmpeg reads it: all is literal between single quotes, and a single quote stands outside of them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}

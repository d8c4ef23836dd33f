import { invalid } from './problem.ts';

/** Minimum value of a bit-rate limit: with less, no picture can be shown. */
export const MIN_BITRATE = 10_000;

/**
 * Parses `4M`, `500k` or bits per second.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function parseBitrate(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,3})?)([kM]?)$/.exec(text) ?? [];
  if (digits === undefined)
    throw invalid(
      `viewer-max-bitrate is ${JSON.stringify(text)}, expected bits per second such as 500k or 4M`,
      'viewerMaxBitrate',
    );
  return Number(digits) * (unit === 'M' ? 1e6 : unit === 'k' ? 1e3 : 1);
}

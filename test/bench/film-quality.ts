import sharp from 'sharp';
import { FILM, type FilmName } from './film.ts';
import type { FilmStage } from './film-stage.ts';
import { readNumber } from './picture-number.ts';
import { type Gray, ssim } from './ssim.ts';

/** Description of the comparison by {@link pictureQuality}, for the method of a report. */
export const QUALITY_METHOD = `luma of the viewer's snapshots, scaled to ${FILM.width}x${FILM.height}, compared with the source's JPEGs of the same numbers by SSIM (Wang et al. 2004, Gaussian window of 11x11); noise that the encoder leaves out counts as a difference`;

/** SSIM of a shown picture, as PNG, and the picture of the source with the same number, at the size of the film. */
export async function pictureQuality(stage: FilmStage, film: FilmName, png: Buffer): Promise<number> {
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  const number = readNumber(data, info.width, info.height);
  if (number === null) throw new Error(`a shown picture of ${info.width}x${info.height} has no number`);
  return ssim(await luma(await stage.picture(film, number)), await luma(png));
}

/** Luma of a picture, scaled to the size of the film. */
async function luma(picture: Buffer): Promise<Gray> {
  const { width, height } = FILM;
  const rgb = await sharp(picture)
    .removeAlpha()
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer();
  const data = new Uint8Array(width * height);
  for (let at = 0; at < data.length; at += 1)
    data[at] = Math.round(0.299 * (rgb[at * 3] ?? 0) + 0.587 * (rgb[at * 3 + 1] ?? 0) + 0.114 * (rgb[at * 3 + 2] ?? 0));
  return { data, width, height };
}

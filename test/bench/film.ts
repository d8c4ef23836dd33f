import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { TestPicture } from '../../gateway/sources/test-pattern/test-picture.ts';
import { type BenchEffort, isTrial } from './bench.ts';
import { CameraFilm } from './camera-film.ts';
import { burnNumber } from './picture-number.ts';

/** Size of each film. */
export const FILM = { width: 1280, height: 720, fps: 30 } as const;

export type FilmName = 'camera' | 'test pattern';

/** Number of pictures of a film: 10 s, which is longer than the latency of any picture; 1 s in a trial. */
export function filmFrames(effort: BenchEffort): number {
  return (isTrial(effort) ? 1 : 10) * FILM.fps;
}

/** @returns the pictures as JPEGs like NetGear's own, with their numbers burned in. */
export async function makeFilm(name: FilmName, frames: number): Promise<Buffer[]> {
  const { width, height, fps } = FILM;
  const camera = new CameraFilm(width, height, frames);
  const pattern = new TestPicture(width, height, fps);
  const jpegs: Buffer[] = [];
  for (let number = 0; number < frames; number += 1) {
    const data = name === 'camera' ? camera.draw(number) : pattern.draw(number, (number * 1000) / fps).slice();
    burnNumber(data, width, height, number);
    jpegs.push(await encodeJpeg({ data, width, height, channels: 3 }));
  }
  return jpegs;
}

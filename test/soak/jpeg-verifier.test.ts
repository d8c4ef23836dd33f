import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JpegVerifier } from '../../gateway/codecs/jpeg-verifier.ts';
import { jpegCorpus, type Sample } from '../helpers/jpeg-corpus.ts';
import { peers } from '../helpers/peers.ts';

const SCRIPT = fileURLToPath(new URL('../peers/simplejpeg_verdicts.py', import.meta.url));

const SEED = Number(process.env['GEARWAY_JPEG_SEED'] ?? 1);
const DAMAGED = Number(process.env['GEARWAY_JPEG_SAMPLES'] ?? 4000);

/** Result of the decoder of VidGear's clients for each JPEG: null, or the error. */
async function simplejpegVerdicts(samples: readonly Sample[]): Promise<(string | null)[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gearway-jpegs-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'samples');
  await writeFile(
    file,
    samples.flatMap(({ jpeg, colorspace }) => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(jpeg.byteLength);
      head[4] = colorspace === 'CMYK' ? 1 : 0;
      return [head, jpeg];
    }),
  );
  const { stdout } = await promisify(execFile)(peers().python, [SCRIPT, file], { maxBuffer: 1 << 28 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string | null);
}

describe('JpegVerifier, compared with the decoder of real NetGear clients', () => {
  it(`accepts no JPEG that simplejpeg refuses, and refuses no common one (seed ${SEED})`, async () => {
    const samples = await jpegCorpus(SEED, DAMAGED);
    const expected = await simplejpegVerdicts(samples);
    expect(expected).toHaveLength(samples.length);
    await using verifier = new JpegVerifier();
    const verdicts = await Promise.all(
      samples.map(
        async ({ jpeg, colorspace }) => verifier.verify(jpeg, { lane: 'frames', key: null, colorspace }).verdict,
      ),
    );
    const wrong = samples.flatMap(({ name }, index) =>
      verdicts[index]!.isGood && expected[index] !== null ? [`${name}: ${expected[index]}`] : [],
    );
    expect(wrong).toEqual([]);
    // CMYK is never verified.
    const needless = samples.filter(
      ({ colorspace }, index) => colorspace === 'BGR' && !verdicts[index]!.isGood && expected[index] === null,
    );
    expect(needless.filter(({ isCommon }) => isCommon).map(({ name }) => name)).toEqual([]);
    const reasons = needless.map(({ name }) => name.split(' (')[0]);
    process.stdout.write(
      `${samples.length} JPEGs, ${expected.filter((error) => error !== null).length} refused by simplejpeg, ${needless.length} refused needlessly: ${[...new Set(reasons)].slice(0, 30).join('; ')}\n`,
    );
    expect(needless.length).toBeLessThan(samples.length / 50);
  });
});

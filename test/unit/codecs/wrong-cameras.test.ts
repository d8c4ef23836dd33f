import fc from 'fast-check';
import { describe, it } from 'vitest';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { MultipartReader } from '../../../gateway/codecs/multipart-reader.ts';
import { cut, send, type WrongCamera, wrongCameras } from '../../helpers/wrong-cameras.ts';

/**
 * `GEARWAY_CAMERAS=100000 GEARWAY_SEED=7 npx vitest run --project unit test/unit/codecs/wrong-cameras.test.ts` tests that
 * many.
 */
const numRuns = Number(process.env['GEARWAY_CAMERAS'] ?? '2000');
const seed = Number(process.env['GEARWAY_SEED'] ?? '14');

function isJpeg(body: Buffer): boolean {
  try {
    readJpegHeader(body);
    return true;
  } catch {
    return false;
  }
}

/** Reads the data of a camera, and fails if a picture is lost, late, incomplete or duplicated. */
function check(camera: WrongCamera): void {
  const sent = send(camera);
  const found: Buffer[] = [];
  const reader = new MultipartReader({
    boundary: sent.boundary,
    maxBodyBytes: 1 << 20,
    onPart: ({ body }) => void (isJpeg(body) && found.push(body)),
  });
  for (const { piece, end } of cut(sent, camera.pieces)) {
    reader.read(piece);
    piece.fill(0x2d);
    const due = sent.jpegs.filter((each) => each.end <= end).length;
    if (found.length !== due)
      throw new Error(`${found.length} pictures after ${end} of ${sent.bytes.byteLength} bytes, expected ${due}`);
  }
  for (const [index, { jpeg }] of sent.jpegs.entries())
    if (!jpeg.equals(found[index]!)) throw new Error(`picture ${index} is not as it was sent`);
}

describe('MultipartReader', () => {
  it(
    'finds every picture of faulty cameras once, completely, and with its last byte',
    { timeout: 30_000 + numRuns * 20 },
    () => {
      fc.assert(fc.property(wrongCameras, check), { numRuns, seed });
    },
  );
});

import { nowUs } from '../hub/clock.ts';
import type { Frame } from '../hub/frame.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { drawPlaceholder } from './placeholder-picture.ts';

const WIDTH = 1280;
const HEIGHT = 720;

/** The picture that native clients get before the first frame, so that their NetGear does not give up. Its sequence number, 0, is before every frame's. */
export async function createPlaceholder(sentence: string): Promise<Frame> {
  const data = drawPlaceholder(WIDTH, HEIGHT, 'WAITING', sentence);
  const payload = await encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
  return { sequence: 0, receivedAtUs: nowUs(), width: WIDTH, height: HEIGHT, encoding: { kind: 'jpeg' }, payload, message: null, wireHeader: null, capturedAtUs: null, isTrusted: true };
}

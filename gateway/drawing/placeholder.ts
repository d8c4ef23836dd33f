import { nowUs } from '../hub/clock.ts';
import type { Frame } from '../hub/frame.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { drawPlaceholder } from './placeholder-picture.ts';

const WIDTH = 1280;
const HEIGHT = 720;

/**
 * Creates the placeholder frame that clients get before the first frame, so that NetGear does not time out. Its
 * sequence is 0, lower than any frame's.
 */
export async function createPlaceholder(sentence: string): Promise<Frame> {
  const data = drawPlaceholder(WIDTH, HEIGHT, 'WAITING', sentence);
  const payload = await encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
  const header = { sequence: 0, receivedAtUs: nowUs(), capturedAtUs: null, width: WIDTH, height: HEIGHT, encoding: { kind: 'jpeg' } } as const;
  return { ...header, payload, message: null, wireHeader: null, isTrusted: true };
}

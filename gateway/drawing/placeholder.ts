import { nowUs } from '../hub/clock.ts';
import type { Frame, FrameSize } from '../hub/frame.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { drawPlaceholder } from './placeholder-picture.ts';

/** Size of a placeholder for a stream that has had no frame yet. */
const DEFAULT_SIZE: FrameSize = { width: 1280, height: 720 };

/** Maximum number of pixels of a placeholder, 4096×2304. Drawing takes time and memory in proportion to it. */
const MAX_PIXELS = 4096 * 2304;

/**
 * Creates the placeholder frame that clients get before the first frame, so that NetGear does not time out. Its
 * sequence is 0, lower than any frame's.
 *
 * @param size size of the stream's frames; sizes beyond 4096×2304 are replaced by the default, 1280×720.
 */
export async function createPlaceholder(sentence: string, size: FrameSize = DEFAULT_SIZE): Promise<Frame> {
  const { width, height } = size.width * size.height > MAX_PIXELS ? DEFAULT_SIZE : size;
  const data = drawPlaceholder(width, height, 'WAITING', sentence);
  const payload = await encodeJpeg({ data, width, height, channels: 3 });
  const header = {
    sequence: 0,
    receivedAtUs: nowUs(),
    capturedAtUs: null,
    width,
    height,
    encoding: { kind: 'jpeg' },
  } as const;
  return { ...header, payload, message: null, wireHeader: null, isTrusted: true };
}

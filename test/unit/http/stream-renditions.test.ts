import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { StreamRenditions } from '../../../gateway/http/stream-renditions.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { createDoor } from '../../helpers/stream.ts';

describe('StreamRenditions.thumbnail', () => {
  it('reserves half of the encodings for this gateway, for any number of requests of other gateways', async () => {
    const stream = createDoor();
    const renditions = new StreamRenditions({
      streams: new Map([['door', { stream }]]),
      withoutRenditions: new Set(),
      log: SILENT_LOGGER,
    });
    onTestFinished(() => {
      renditions.close();
      stream.close();
    });
    const payload = await encodeJpeg({ data: new Uint8Array(64 * 32 * 3), width: 64, height: 32, channels: 3 });
    stream.publish({ width: 64, height: 32, encoding: { kind: 'jpeg' }, payload, message: null, wireHeader: null });
    const thumbnails = Array.from({ length: 12 }, (_, index) => renditions.thumbnail(stream, index + 1));
    const own = renditions.snapshots.inTurn(() => Promise.resolve('a picture'), '192.0.2.1');
    expect(await own).toBe('a picture');
    expect((await Promise.all(thumbnails)).filter((thumbnail) => thumbnail !== null)).toHaveLength(4);
  });
});

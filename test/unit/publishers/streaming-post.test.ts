import { describe, expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { RunningRequest } from '../../helpers/running-request.ts';
import { JPEG } from '../../helpers/viewer.ts';

/** The response to a streaming request that repeats this part. */
async function answerTo(part: Uint8Array, count: number): Promise<unknown> {
  await using gateway = await createGateway({ port: 0, source: 'push:' });
  const { url } = await gateway.listen();
  await using request = new RunningRequest(`${url}streams/main/frames`, {
    'content-type': 'multipart/x-mixed-replace; boundary=frame',
  });
  await request.write(...Array.from({ length: count }, () => part), '--frame--\r\n');
  return await request.end();
}

const FRAME = Buffer.concat([
  Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${JPEG.byteLength}\r\n\r\n`),
  JPEG,
  Buffer.from('\r\n'),
]);

describe('receiveStreamingPost', () => {
  it('accepts two seconds of frames at 240 fps in one burst', async () => {
    expect(await answerTo(FRAME, 480)).toEqual({ status: 200, body: { sequence: 480, frames: 480, rejected: 0 } });
  });

  it.each([
    ['with lengths', '--frame\r\nContent-Length: 0\r\n\r\n'],
    ['without lengths', '--frame\r\n\r\n\r\n'],
  ])('ends a request of tiny parts %s', async (_name, part) => {
    expect(await answerTo(Buffer.from(part), 100_000)).toMatchObject({ status: 503, body: { code: 'too-many' } });
  });
});

/** An MJPEG camera over HTTP that is as fast as its reader. */
import { createServer } from 'node:http';
import { answerParent, listen } from './processes.ts';
import { createPayload } from './wire.ts';

const payload = createPayload();
const part = Buffer.concat([
  Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${payload.length}\r\n\r\n`),
  payload,
  Buffer.from('\r\n'),
]);

const handlers = {
  listen(): Promise<number> {
    return listen(
      createServer((_request, response) => {
        response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=frame' });
        const write = (): void => void response.write(part);
        response.on('drain', write);
        write();
      }),
    );
  },
};

export type MjpegSource = typeof handlers;

answerParent(handlers);

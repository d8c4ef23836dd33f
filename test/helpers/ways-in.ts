import { expect } from 'vitest';
import { Request } from 'zeromq';
import type { Gateway } from '../../gateway/create-gateway.ts';
import { encodeFrameHeader } from '../../gateway/netgear/frame-codec.ts';
import { Publisher } from './publisher.ts';
import { RunningRequest } from './running-request.ts';

/** Sends pictures into a gateway by one method. */
interface WayIn extends AsyncDisposable {
  send(jpeg: Buffer): Promise<unknown>;
}

const nothing = async (): Promise<void> => undefined;
const post = async (url: string, body: Uint8Array | FormData, headers: Record<string, string> = {}): Promise<void> => {
  const response = await fetch(`${url}streams/main/frames`, { method: 'POST', body, headers });
  expect(response.status).toBe(200);
};

/** Methods for single pictures, by name. */
export const WAYS_IN: Readonly<
  Record<
    string,
    { source: (port: number) => string; open: (gateway: Gateway, url: string, port: number) => Promise<WayIn> }
  >
> = {
  'a POST': {
    source: () => 'push:',
    open: async (_gateway, url) => ({
      send: (jpeg) => post(url, jpeg, { 'content-type': 'image/jpeg' }),
      [Symbol.asyncDispose]: nothing,
    }),
  },
  'a form': {
    source: () => 'push:',
    open: async (_gateway, url) => ({
      send: (jpeg) => {
        const form = new FormData();
        form.set('frame', new Blob([jpeg], { type: 'image/jpeg' }), 'picture.jpg');
        return post(url, form);
      },
      [Symbol.asyncDispose]: nothing,
    }),
  },
  'a running POST': {
    source: () => 'push:',
    open: async (_gateway, url) => {
      const request = new RunningRequest(`${url}streams/main/frames`, {
        'content-type': 'multipart/x-mixed-replace; boundary=frame',
      });
      return {
        send: (jpeg) =>
          request.write(
            `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.byteLength}\r\n\r\n`,
            jpeg,
            '\r\n',
          ),
        [Symbol.asyncDispose]: () => request[Symbol.asyncDispose](),
      };
    },
  },
  'a WebSocket': {
    source: () => 'push:',
    open: async (_gateway, url) => {
      const publisher = await Publisher.connect(url);
      await publisher.hello();
      return {
        send: (payload) => publisher.publish({ payload }),
        [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
      };
    },
  },
  'stream.push()': {
    source: () => 'push:',
    open: async (gateway) => ({ send: async (jpeg) => gateway.stream.push(jpeg), [Symbol.asyncDispose]: nothing }),
  },
  imagezmq: {
    source: (port) => `imagezmq:tcp://127.0.0.1:${port}`,
    open: async (_gateway, _url, port) => {
      const socket = new Request({ linger: 0 });
      socket.connect(`tcp://127.0.0.1:${port}`);
      return {
        async send(jpeg) {
          await socket.send(['{"msg": "camera"}', jpeg]);
          await socket.receive();
        },
        [Symbol.asyncDispose]: async () => socket.close(),
      };
    },
  },
  'netgear:?check=true': {
    source: (port) => `netgear:tcp://127.0.0.1:${port}?pattern=1&check=true`,
    open: async (_gateway, _url, port) => {
      // The library's sender is not used, because it repairs pictures.
      const socket = new Request({ linger: 0 });
      socket.connect(`tcp://127.0.0.1:${port}`);
      const header = encodeFrameHeader({ kind: 'jpeg' }, 'null', {
        pattern: 'request-reply',
        serverPort: null,
        dropMessage: false,
      });
      return {
        async send(jpeg) {
          await socket.send([header, jpeg]);
          await socket.receive();
        },
        [Symbol.asyncDispose]: async () => socket.close(),
      };
    },
  },
};

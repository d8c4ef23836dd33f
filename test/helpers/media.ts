import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { Child } from './child.ts';

/** Number and size of the blocks in test/peers/picture_number.py. */
const BLOCK = 16;
const BITS = 24;

/** A temporary folder for the files of a test. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'gearway-media-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes a file, and returns its path. */
  async write(name: string, data: string | Uint8Array, mode = 0o644): Promise<string> {
    await writeFile(this.file(name), data, { mode });
    return this.file(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

/** Runs the real FFmpeg to its end. */
export async function ffmpeg(...args: string[]): Promise<void> {
  await promisify(execFile)('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...args]);
}

/** Samples of a picture with a burned-in number for picture_number.py; all other samples differ between pictures. */
export function numberedSamples(
  number: number,
  {
    width,
    height,
    channels,
    bytes,
  }: { readonly width: number; readonly height: number; readonly channels: number; readonly bytes: 1 | 2 },
): Buffer {
  const samples = Buffer.alloc(width * height * channels * bytes);
  const most = bytes === 1 ? 0xff : 0xffff;
  for (let y = 0; y < height; y += 1) {
    for (let at = 0; at < width * channels; at += 1) {
      const bit = Math.floor(at / channels / BLOCK);
      const burned = y < BLOCK && bit < BITS;
      const value = burned ? ((number >> (BITS - 1 - bit)) & 1) * most : (number * 7919 + y * 257 + at * 31) & most;
      const offset = (y * width * channels + at) * bytes;
      if (bytes === 1) samples[offset] = value;
      else samples.writeUInt16LE(value, offset);
    }
  }
  return samples;
}

/** Different JPEGs from an encoder other than FFmpeg's. */
export function numberedJpegs(count: number, { width = 400, height = 120 } = {}): Promise<Buffer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, number) =>
      encodeJpeg(
        { data: numberedSamples(number, { width, height, channels: 3, bytes: 1 }), width, height, channels: 3 },
        90,
      ),
    ),
  );
}

/**
 * Writes the video of a browser's fake camera, which plays it in a loop: gray pictures of 640×480 with a visible
 * number, as Y4M (https://wiki.multimedia.cx/index.php/YUV4MPEG2).
 */
export async function writeNumberedCamera<Path extends string>(
  path: Path,
  { count, fps }: { readonly count: number; readonly fps: number },
): Promise<Path> {
  const [width, height] = [640, 480];
  const pictures = Array.from({ length: count }, (_, number) => {
    const samples = Buffer.alloc(width * height * 1.5, 128);
    for (let y = 0; y < BLOCK; y += 1) {
      for (let bit = 0; bit < BITS; bit += 1)
        samples.fill(
          (number >> (BITS - 1 - bit)) & 1 ? 235 : 16,
          y * width + bit * BLOCK,
          y * width + (bit + 1) * BLOCK,
        );
    }
    return Buffer.concat([Buffer.from('FRAME\n'), samples]);
  });
  await writeFile(path, [Buffer.from(`YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`), ...pictures]);
  return path;
}

/** A typical MJPEG camera over HTTP: with a Content-Length, and a picture every few milliseconds. */
export class MjpegCamera implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  /** Requests for pictures so far. */
  readonly requests: IncomingMessage[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param serve answers a request, for example with `multipart`. */
  static async serve(
    serve: (response: ServerResponse, request: IncomingMessage, index: number) => void,
  ): Promise<MjpegCamera> {
    const server = createServer((request, response) => {
      camera.requests.push(request);
      serve(response, request, camera.requests.length - 1);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const camera = new MjpegCamera(server);
    return camera;
  }

  /** Serves these pictures in turn, endlessly. */
  static endless(jpegs: readonly Buffer[], everyMs: number): Promise<MjpegCamera> {
    return MjpegCamera.serve((response) => {
      response.writeHead(200, MULTIPART);
      let number = 0;
      const timer = setInterval(() => {
        response.write(part(jpegs[number % jpegs.length]!));
        number += 1;
      }, everyMs);
      response.on('close', () => clearInterval(timer));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const MULTIPART = { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' };

/** A part of a multipart body. */
export function part(jpeg: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.byteLength}\r\n\r\n`),
    jpeg,
    Buffer.from('\r\n'),
  ]);
}

/** A program that is restarted whenever it ends, such as a server that exits after serving one client. */
export class Respawning implements AsyncDisposable {
  readonly #start: () => Child;
  readonly #running: Promise<void>;
  #child: Child;
  #isClosed = false;

  constructor(start: () => Child) {
    this.#start = start;
    this.#child = start();
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#child[Symbol.asyncDispose]();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#child.exited;
      if (this.#isClosed) return;
      this.#child = this.#start();
    }
  }
}

/** The programs of this name that a process has started, and those of its children. */
export async function programsOf(pid: number, name: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,comm=']);
  return stdout.split('\n').flatMap((line) => {
    const [, id, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(parent) === pid && command.endsWith(name) ? [Number(id)] : [];
  });
}

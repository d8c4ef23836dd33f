/** HTTP cameras: faulty ones with Python's sockets, correct ones with FFmpeg, and files that are replaced. */
import { rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamStatus } from '../../shared/status.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder, numberedJpegs } from '../helpers/media.ts';
import { PythonPeer } from '../helpers/peers.ts';

const PATHS = [
  'jpg',
  'type-with-size',
  'no-first-boundary',
  'no-boundary',
  'lf-before-boundary',
  'nothing-before-boundary',
  'short-length',
  'long-length',
  'empty-line',
  'lf',
  'dashes',
  'icy',
  'untyped',
  'texts',
  'padded',
  'chunked',
  'redirected',
  'still',
  'basic',
  'digest-md5',
  'digest-sha256',
];

let camera: PythonPeer;
let address: string;

beforeAll(async () => {
  camera = new PythonPeer('wrong_camera.py', { user: 'admin', password: 'Hunt3r#2/cam' });
  const { port } = await camera.waitFor<{ port: number }>('ready');
  address = `127.0.0.1:${port}`;
});

afterAll(async () => {
  await camera[Symbol.asyncDispose]();
});

/** Waits until a stream has the expected status. */
async function streamWhere(
  gateway: LocalGateway,
  name: string,
  fits: (status: StreamStatus) => boolean,
): Promise<StreamStatus> {
  const read = async (): Promise<StreamStatus> =>
    (await (await fetch(`${gateway.url}/api/streams/${name}`)).json()) as StreamStatus;
  let status = await read();
  for (
    const deadline = performance.now() + 30_000;
    !fits(status) && performance.now() < deadline;
    status = await read()
  )
    await new Promise((resolve) => setTimeout(resolve, 100));
  return status;
}

describe.each(['mjpeg', 'ffmpeg'])('%s:', (kind) => {
  it('shows every picture of every camera, and never its password', async () => {
    const picture = Buffer.from(await (await fetch(`http://${address}/picture`)).arrayBuffer());
    // Percent-encoded and unencoded.
    const sources = PATHS.map(
      (path, index) =>
        `${path}=${kind}:http://admin:${index % 2 === 0 ? 'Hunt3r%232%2Fcam' : 'Hunt3r#2/cam'}@${address}/${path}`,
    );
    await using gateway = await LocalGateway.start(...sources.flatMap((source) => ['--source', source]));
    for (const path of PATHS) {
      const status = await streamWhere(gateway, path, ({ frame }) => (frame?.sequence ?? 0) >= 2);
      expect(status, path).toMatchObject({
        state: 'live',
        counters: { rejected: 0 },
        source: { kind, lastError: null, restarts: 0, state: 'running' },
      });
      const snapshot = Buffer.from(await (await fetch(`${gateway.url}/streams/${path}/snapshot.jpg`)).arrayBuffer());
      expect(snapshot.equals(picture), path).toBe(true);
      expect(JSON.stringify(status)).not.toContain('Hunt3r');
    }
    expect(gateway.log.join('\n')).not.toContain('Hunt3r');
  });
});

describe('ffmpeg: with options for FFmpeg', () => {
  it("reports FFmpeg's error for a faulty camera, and how to show it", async () => {
    await using gateway = await LocalGateway.start(
      '--source',
      `ffmpeg:http://${address}/jpg?size=160x120`,
      '--source',
      `mended=ffmpeg:http://${address}/jpg?size=160x120&format=mjpeg`,
    );
    const { source } = await streamWhere(gateway, 'main', (status) => status.source.lastError !== null);
    expect(source.lastError).toMatch(/Unexpected Content-Type : image\/jpg/);
    expect(source.lastError).toMatch(/format=mjpeg/);
    expect(source.lastError).toMatch(/read without FFmpeg/);
    expect(await streamWhere(gateway, 'mended', ({ frame }) => frame !== null)).toMatchObject({
      state: 'live',
      frame: { width: 160, height: 120 },
    });
  });
});

describe('image:', () => {
  it('shows a file, and each picture that replaces it', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(3);
    const path = await folder.write('latest.picture', jpegs[0]!);
    await using gateway = await LocalGateway.start('--source', `image:${path}`);
    const shown = async (): Promise<number> => {
      const snapshot = Buffer.from(await (await fetch(`${gateway.url}/streams/main/snapshot.jpg`)).arrayBuffer());
      return jpegs.findIndex((jpeg) => jpeg.equals(snapshot));
    };
    await expect.poll(shown).toBe(0);
    await folder.write('latest.picture', jpegs[1]!);
    await expect.poll(shown).toBe(1);
    await rename(await folder.write('next', jpegs[2]!), path);
    await expect.poll(shown).toBe(2);
    expect(await gateway.status()).toMatchObject({
      state: 'live',
      source: { kind: 'image', address: path, lastError: null },
    });
  });
});

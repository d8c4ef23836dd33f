import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { Child } from '../helpers/child.ts';
import { FrameRecorder, type RecordedFrame } from '../helpers/frame-recorder.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import {
  ffmpeg,
  Folder,
  MjpegCamera,
  MULTIPART,
  numberedJpegs,
  numberedSamples,
  part,
  programsOf,
  Respawning,
} from '../helpers/media.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { Site } from '../helpers/site.ts';
import { isRunning } from '../helpers/is-running.ts';
import { RtspCamera } from '../helpers/rtsp-camera.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const sha1 = (data: Uint8Array): string => createHash('sha1').update(data).digest('hex');

/** Positions of frames in a repeated list; -1 for one that is not in it. */
function placesIn(list: readonly Buffer[], frames: readonly RecordedFrame[]): number[] {
  const known = list.map(sha1);
  return frames.map((frame) => known.indexOf(frame.sha1));
}

/** Runs the command to its end. */
async function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = new Child(process.execPath, ['dist/gateway/main.js', ...args], { cwd: ROOT, env });
  const code = await child.exited;
  return { code, stdout: child.stdout.all.join('\n'), stderr: child.stderr.all.join('\n') };
}

describe('a file', () => {
  it.concurrent.each(['mjpeg', 'avi', 'mkv', 'mov'])(
    'of JPEGs in %s is forwarded unmodified, in order',
    async (kind) => {
      await using folder = await Folder.create();
      const jpegs = await numberedJpegs(50);
      await folder.write('a.mjpeg', Buffer.concat(jpegs));
      if (kind !== 'mjpeg')
        await ffmpeg('-framerate', '25', '-i', folder.file('a.mjpeg'), '-c', 'copy', folder.file(`a.${kind}`));
      await using gateway = await LocalGateway.start('--source', `ffmpeg:${folder.file(`a.${kind}`)}?loop=true`);
      await using viewer = await FrameRecorder.open(gateway.url);
      const frames = await viewer.take(120);
      const places = placesIn(jpegs, frames);
      expect(places).not.toContain(-1);
      frames.forEach(({ sequence }, index) => {
        const before = frames[index - 1];
        if (before !== undefined)
          expect((places[index]! - places[index - 1]! + 50) % 50, `frame ${sequence}`).toBe(
            (sequence - before.sequence) % 50,
          );
      });
      expect((await gateway.status()).source).toMatchObject({ lastError: null, restarts: 0 });
    },
  );

  it('ends once it has been shown, and an incomplete JPEG at its end is not shown', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(26);
    const whole = Buffer.concat(jpegs.slice(0, 25));
    const path = await folder.write(
      'a.mjpeg',
      Buffer.concat([whole, jpegs[25]!.subarray(0, jpegs[25]!.byteLength / 2)]),
    );
    await using gateway = await GatewayProcess.start('--source', `ffmpeg:${path}`);
    await using viewer = await FrameRecorder.open(await gateway.url);
    const status = await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    expect(status).toMatchObject({
      reason: 'the file has ended',
      source: { state: 'ended', restarts: 0, lastError: null },
      counters: { received: 25 },
    });
    expect(placesIn(jpegs, viewer.frames)).not.toContain(-1);
    expect(await programsOf(gateway.process.pid!, 'ffmpeg')).toEqual([]);
  });

  describe('with an unusual name', () => {
    const NAMES = [
      'a b.mjpeg',
      '-i',
      '-f lavfi -i testsrc2',
      `it's "quoted"; touch pwned & $(touch pwned) \`touch pwned\` |.mjpeg`,
      'ünïcödé ☃ 視頻.mjpeg',
      'concat:a.mjpeg|b',
      'http:x.mjpeg',
      '100%d*[a].mjpeg',
      'percent%20+plus.mjpeg',
      'what?.mjpeg?',
    ];
    let folder: Folder;
    let gateway: Child;
    let url: string;
    let jpegs: readonly Buffer[];
    beforeAll(async () => {
      folder = await Folder.create();
      jpegs = await numberedJpegs(10);
      for (const name of NAMES) await folder.write(name.replace(/\?$/, ''), Buffer.concat(jpegs));
      // Relative paths, so that the name comes first.
      const sources = NAMES.flatMap((name, index) => ['--source', `file-${index}=ffmpeg:${name}`]);
      gateway = new Child(process.execPath, [join(ROOT, 'dist/gateway/main.js'), '--port', '0', ...sources], {
        cwd: folder.path,
      });
      url = await gateway.stdout.waitFor(
        'the ready line',
        (line) => /^Gearway is serving on (http:\S+)\/$/.exec(line)?.[1],
      );
    });
    afterAll(async () => {
      await gateway[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    it.each(NAMES)('%s is shown', async (name) => {
      await using viewer = await FrameRecorder.open(url, `file-${NAMES.indexOf(name)}`);
      await viewer.take(1);
      expect(placesIn(jpegs, viewer.frames)).not.toContain(-1);
      expect(existsSync(folder.file('pwned'))).toBe(false);
    });
  });

  it.each([
    ['that does not exist', '/nonexistent/a b.mp4', /no file "\/nonexistent\/a b\.mp4"/],
    ['with a line break in its name', 'a\nb.mp4', /line break/],
    ['that is a folder', '/tmp', /is a folder/],
  ])('%s is refused with a message', async (_, path, sentence) => {
    const { code, stdout, stderr } = await run(['--port', '0', '--source', `ffmpeg:${path}`]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('that is not a video is reported as such', async () => {
    await using folder = await Folder.create();
    const path = await folder.write('a.mp4', 'nothing of the kind '.repeat(100));
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${path}`);
    const { reason } = await gateway.statusWhere('a failure', ({ source }) => source.lastError !== null);
    expect(reason).toMatch(/damaged, or in a format that FFmpeg cannot read/);
  });
});

describe('a playlist', () => {
  it.concurrent('plays its files in order, with any names', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(30);
    const names = ["it's one.mjpeg", 'two "b";$(x).mjpeg', '-three ☃.mjpeg'];
    for (const [index, name] of names.entries())
      await folder.write(name, Buffer.concat(jpegs.slice(index * 10, index * 10 + 10)));
    const path = await folder.write('list.m3u', `#EXTM3U\n${names.join('\n')}\n`);
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${path}`);
    await using viewer = await FrameRecorder.open(gateway.url);
    await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    const places = placesIn(jpegs, viewer.frames);
    expect(places).not.toContain(-1);
    expect(await gateway.status()).toMatchObject({
      reason: 'the playlist has ended',
      counters: { received: 30, rejected: 0 },
    });
  });

  it.concurrent('is looped', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(20);
    await folder.write('1.mjpeg', Buffer.concat(jpegs.slice(0, 10)));
    await folder.write('2.mjpeg', Buffer.concat(jpegs.slice(10)));
    const path = await folder.write('list.m3u', '1.mjpeg\n2.mjpeg\n');
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${path}?loop=true`);
    await gateway.statusWhere('a third round', ({ counters }) => counters.received > 50);
    expect(await gateway.status()).toMatchObject({ state: 'live', source: { restarts: 0 } });
  });

  it.concurrent('that contains an address is refused', async () => {
    await using folder = await Folder.create();
    const path = await folder.write('list.m3u', 'http://127.0.0.1:1/a.mp4\n');
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${path}`);
    const { source } = await gateway.statusWhere('a failure', (status) => status.source.lastError !== null);
    expect(source.lastError).toMatch(/expected only paths/);
  });
});

describe('raw frames', () => {
  it.concurrent.each([
    ['gray16le', { channels: 1, bytes: 2 }, 'uint16'],
    ['gray', { channels: 1, bytes: 1 }, 'uint8'],
    ['bgr24', { channels: 3, bytes: 1 }, 'uint8'],
  ] as const)(
    'of %s reach a real client bit for bit, even with a width that BMP pads',
    async (pixels, { channels, bytes }, dtype) => {
      await using folder = await Folder.create();
      const size = { width: 403, height: 121, channels, bytes };
      const pictures = Array.from({ length: 60 }, (_, number) => numberedSamples(number, size));
      await folder.write('a.raw', Buffer.concat(pictures));
      // FFV1 is lossless. It does not support bgr24, but 32-bit BGR.
      const raw = ['-f', 'rawvideo', '-video_size', '403x121', '-pixel_format', pixels, '-framerate', '10'];
      await ffmpeg(
        ...raw,
        '-i',
        folder.file('a.raw'),
        '-c:v',
        'ffv1',
        '-pix_fmt',
        pixels === 'bgr24' ? 'bgr0' : pixels,
        folder.file('a.mkv'),
      );
      const [port] = (await freePorts(1)) as [number];
      await using client = new PythonPeer('client.py', { port, height: 121, hash: true });
      await client.waitFor('ready');
      await using gateway = await LocalGateway.start(
        '--source',
        `ffmpeg:${folder.file('a.mkv')}?pixels=${pixels}&loop=true`,
        '--client',
        `tcp://127.0.0.1:${port}`,
      );
      await client.waitFor<{ n: number }>('frame', ({ n }) => n === 50);
      const seen = client.events<{ n: number; sha1: string }>('frame');
      expect(seen.length).toBeGreaterThan(30);
      expect(seen.map(({ sha1: hash }) => hash)).toEqual(seen.map(({ n }) => sha1(pictures[n]!)));
      expect(await gateway.status()).toMatchObject({
        frame: { width: 403, height: 121, encoding: dtype },
        counters: { rejected: 0 },
      });
    },
  );
});

describe('lavfi', () => {
  it('replaces a camera, for two real clients and two viewers', async () => {
    const [a, b] = (await freePorts(2)) as [number, number];
    await using first = new PythonPeer('client.py', { port: a });
    await using second = new PythonPeer('client.py', { port: b, pattern: 2 });
    await using gateway = await LocalGateway.start(
      '--source',
      'ffmpeg:lavfi:testsrc2=size=642x480:rate=30',
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=2`,
    );
    await using one = await FrameRecorder.open(gateway.url);
    await using two = await FrameRecorder.open(gateway.url);
    for (const client of [first, second]) await client.waitFor<ClientReport>('progress', ({ count }) => count > 60);
    for (const viewer of [one, two]) expect((await viewer.take(60)).at(-1)).toMatchObject({ width: 642, height: 480 });
  });
});

describe('MJPEG over HTTP', () => {
  it.concurrent('is forwarded unmodified, as a camera sends it', async () => {
    const jpegs = await numberedJpegs(40);
    await using camera = await MjpegCamera.endless(jpegs, 20);
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${camera.url}/video?channel=1`);
    await using viewer = await FrameRecorder.open(gateway.url);
    const frames = await viewer.take(150);
    expect(placesIn(jpegs, frames)).not.toContain(-1);
    expect(camera.requests[0]!.url).toBe('/video?channel=1');
  });

  it.concurrent('is forwarded unmodified, as a second FFmpeg serves it', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(40);
    const path = await folder.write('a.mjpeg', Buffer.concat(jpegs));
    const [port] = (await freePorts(1)) as [number];
    const serve = (): Child =>
      new Child('ffmpeg', [
        '-hide_banner',
        '-loglevel',
        'error',
        '-re',
        '-stream_loop',
        '-1',
        '-i',
        path,
        '-c',
        'copy',
        '-content_type',
        'multipart/x-mixed-replace;boundary=ffmpeg',
        '-f',
        'mpjpeg',
        '-listen',
        '1',
        `http://127.0.0.1:${port}/`,
      ]);
    await using _server = new Respawning(serve);
    await using gateway = await LocalGateway.start('--source', `ffmpeg:http://127.0.0.1:${port}/`);
    await using viewer = await FrameRecorder.open(gateway.url);
    expect(placesIn(jpegs, await viewer.take(60))).not.toContain(-1);
  });

  it.concurrent('of another gateway is forwarded in the same way', async () => {
    await using first = await LocalGateway.start('--source', 'test-pattern:?size=640x360&fps=15');
    await using second = await LocalGateway.start('--source', `ffmpeg:${first.url}/streams/main/mjpeg`);
    await using viewer = await FrameRecorder.open(second.url);
    await viewer.take(60);
    expect(await second.status()).toMatchObject({
      state: 'live',
      frame: { width: 640, height: 360, encoding: 'jpeg' },
      counters: { rejected: 0 },
      source: { lastError: null },
    });
  });

  it.each(['', '?quality=80', '?pixels=bgr24', '?pixels=gray16le'])(
    'is never one frame late: the last picture is shown although none follows it %s',
    async (options) => {
      // Dark pictures, and a bright one.
      const [dark, bright] = (await Promise.all(
        [20, 220].map((value) =>
          encodeJpeg({ data: Buffer.alloc(320 * 240 * 3, value), width: 320, height: 240, channels: 3 }),
        ),
      )) as [Buffer, Buffer];
      let give: (jpeg: Buffer) => void = () => undefined;
      await using camera = await MjpegCamera.serve((response) => {
        response.writeHead(200, MULTIPART);
        const timer = setInterval(() => response.write(part(dark)), 50);
        response.on('close', () => clearInterval(timer));
        // ffprobe was the first connection.
        give = (jpeg) => {
          clearInterval(timer);
          response.write(part(jpeg));
        };
      });
      await using gateway = await LocalGateway.start('--source', `ffmpeg:${camera.url}/${options}`);
      await using viewer = await FrameRecorder.open(gateway.url);
      await viewer.take(10);
      const darkest = viewer.frames.at(-1)!.sha1;
      give(bright);
      const deadline = performance.now() + 4000;
      while (viewer.frames.at(-1)!.sha1 === darkest)
        await viewer.take(viewer.frames.length + 1, deadline - performance.now());
    },
  );

  it.each([
    ['refuses', 401, /wrong or missing user name and password/],
    ['has nothing there', 404, /no stream at this path/],
    ['is broken', 503, /the server refuses/],
  ])('from one that %s is reported without the password', async (_, code, sentence) => {
    await using camera = await MjpegCamera.serve((response) => void response.writeHead(code).end());
    await using gateway = await LocalGateway.start(
      '--source',
      `ffmpeg:${camera.url.replace('127', 'admin:hunter22@127')}/?token=abcdefgh`,
    );
    await using viewer = await FrameRecorder.open(gateway.url);
    const status = await gateway.statusWhere(
      'a failure',
      ({ source }) => source.lastError !== null && source.restarts > 0,
    );
    expect(status.source.lastError).toMatch(sentence);
    expect(status.source.address).toContain('admin:…@');
    for (const text of [JSON.stringify(status), gateway.log.join('\n'), viewer.states.join('\n')]) {
      expect(text).not.toContain('hunter22');
      expect(text).not.toContain('abcdefgh');
    }
  });

  it('that is not served is reported, and is live once it is served', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `ffmpeg:http://127.0.0.1:${port}/`);
    const { source } = await gateway.statusWhere('a failure', (status) => status.source.lastError !== null);
    expect(source.lastError).toMatch(/nothing is listening at this address/);
  });

  it('with damaged pictures among valid ones does not affect real clients', async () => {
    const jpegs = await numberedJpegs(40);
    const damaged = jpegs.map((jpeg, index) =>
      index % 4 === 1 ? Buffer.concat([jpeg.subarray(0, Math.floor(jpeg.byteLength / 2)), jpeg.subarray(-2)]) : jpeg,
    );
    await using camera = await MjpegCamera.endless(damaged, 40);
    const [port] = (await freePorts(1)) as [number];
    await using client = new PythonPeer('client.py', { port, height: 120, numbers: true });
    await using gateway = await LocalGateway.start(
      '--source',
      `ffmpeg:${camera.url}/`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await client.waitFor<ClientReport>('progress', ({ count }) => count > 100);
    expect(client.events<{ n: number }>('number').filter(({ n }) => n % 4 === 1)).toEqual([]);
    const { counters, source } = await gateway.status();
    expect(counters.rejected).toBeGreaterThan(20);
    expect(counters.lastRejections[0]).toMatch(/^jpeg-invalid: /);
    expect(source).toMatchObject({ restarts: 0, lastError: null });
  });

  it('whose pictures are all faulty is encoded again', async () => {
    const jpegs = await numberedJpegs(10);
    // An invalid JFIF version, as FFmpeg before 5.0 writes it for JPEG over RTSP: libjpeg warns, and NetGear treats
    // warnings as errors.
    for (const jpeg of jpegs) jpeg.writeUInt16BE(0x0201, jpeg.indexOf('JFIF') + 5);
    await using camera = await MjpegCamera.endless(jpegs, 40);
    const [port] = (await freePorts(1)) as [number];
    await using client = new PythonPeer('client.py', { port, height: 120 });
    await using gateway = await LocalGateway.start(
      '--source',
      `ffmpeg:${camera.url}/`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await client.waitFor<ClientReport>('progress', ({ count }) => count > 50);
    expect(await gateway.status()).toMatchObject({ state: 'live', source: { restarts: 0, lastError: null } });
  });

  it('that ends within a picture shows no incomplete picture, and is live again automatically', async () => {
    const jpegs = await numberedJpegs(30);
    await using camera = await MjpegCamera.serve((response) => {
      response.writeHead(200, MULTIPART);
      for (const jpeg of jpegs.slice(0, 29)) response.write(part(jpeg));
      const last = part(jpegs[29]!);
      response.write(last.subarray(0, last.byteLength / 2));
      setTimeout(() => response.destroy(), 300);
    });
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${camera.url}/`);
    await using viewer = await FrameRecorder.open(gateway.url);
    await gateway.statusWhere('three openings', ({ source }) => source.restarts >= 2);
    expect(placesIn(jpegs.slice(0, 29), viewer.frames)).not.toContain(-1);
    expect(viewer.frames.length).toBeGreaterThan(0);
  });
});

describe('a recording over HTTP', () => {
  it('is played at its own speed, and ends', async () => {
    await using folder = await Folder.create();
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=320x240:rate=25',
      '-t',
      '3',
      '-c:v',
      'libx264',
      '-pix_fmt',
      'yuv420p',
      '-movflags',
      '+faststart',
      folder.file('a.mp4'),
    );
    await using site = await Site.folder(folder.path);
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${site.origin}/a.mp4`);
    await using viewer = await FrameRecorder.open(gateway.url);
    const status = await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    expect(status).toMatchObject({
      reason: 'the recording has ended',
      counters: { received: 75 },
      source: { restarts: 0 },
    });
    expect(viewer.frames.at(-1)!.atMs - viewer.frames[0]!.atMs).toBeGreaterThan(2000);
  });
});

describe('a named pipe', () => {
  it("is shown at its writer's speed, and waits for the next one", async () => {
    await using folder = await Folder.create();
    await promisify(execFile)('mkfifo', [folder.file('p')]);
    const write = (): Promise<void> =>
      ffmpeg(
        '-f',
        'lavfi',
        '-i',
        'testsrc2=size=320x240:rate=25',
        '-t',
        '1',
        '-c:v',
        'mjpeg',
        '-f',
        'mjpeg',
        folder.file('p'),
      );
    await using gateway = await LocalGateway.start('--source', `ffmpeg:${folder.file('p')}?format=mjpeg`);
    await using viewer = await FrameRecorder.open(gateway.url);
    await write();
    const { source } = await gateway.statusWhere('the end of the first writer', (status) => status.source.restarts > 0);
    expect(source.lastError).toBe('the stream has ended; it may start again');
    const before = viewer.frames.length;
    await write();
    await viewer.take(before + 5);
  });
});

describe('RTSP', () => {
  it('with a password works, and never shows the password', async () => {
    await using camera = new RtspCamera({ user: 'admin', password: 'hunter@22' });
    const address = await camera.address();
    await using gateway = await LocalGateway.start(
      '--source',
      `a=ffmpeg:rtsp://admin:hunter%4022@${address}/h264`,
      '--source',
      `b=ffmpeg:rtsp://admin:wrong22@${address}/h264`,
      '--source',
      `c=ffmpeg:rtsp://admin:hunter%4022@${address}/nothing`,
    );
    await using viewer = await FrameRecorder.open(gateway.url, 'a');
    await viewer.take(10);
    const errors = async (): Promise<(string | null)[]> => {
      const streams = (await (await fetch(`${gateway.url}/api/streams`)).json()) as {
        source: { lastError: string | null };
      }[];
      return streams.map(({ source }) => source.lastError);
    };
    let seen = await errors();
    while (seen[1] === null || seen[2] === null) seen = await errors();
    expect(seen).toEqual([
      null,
      expect.stringContaining('wrong or missing user name and password') as string,
      expect.stringContaining('the server has no stream at this path') as string,
    ]);
    const shown = [await (await fetch(`${gateway.url}/api/streams`)).text(), ...gateway.log, ...viewer.states].join(
      '\n',
    );
    for (const secret of ['hunter', 'wrong22']) expect(shown).not.toContain(secret);
    expect(shown).toContain(`rtsp://admin:…@${address}/h264`);
  });

  it('of a camera that is turned off and on is live again automatically, and the viewer stays connected', async () => {
    const [port] = (await freePorts(1)) as [number];
    const first = new RtspCamera({ port });
    await using gateway = await GatewayProcess.start('--source', `ffmpeg:rtsp://${await first.address()}/h264`);
    await using viewer = await FrameRecorder.open(await gateway.url);
    await viewer.take(30);
    await first[Symbol.asyncDispose]();
    const { source } = await gateway.statusWhere('that nothing is listening', (status) =>
      /nothing is listening/.test(status.source.lastError ?? ''),
    );
    expect(source.restarts).toBeGreaterThan(0);
    await using second = new RtspCamera({ port });
    await second.address();
    await viewer.take(viewer.frames.length + 60);
    expect(viewer.states.join('\n')).toMatch(/nothing is listening at this address[\s\S]*live: frames arrive/);
  });

  it('of a silent server is reported as such', async () => {
    await using server = createServer((socket) => void socket.on('error', () => undefined).resume()).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    await using gateway = await LocalGateway.start(
      '--source',
      `ffmpeg:rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/x`,
    );
    const { source } = await gateway.statusWhere('a failure', (status) => status.source.lastError !== null);
    expect(source.lastError).toMatch(/the server no longer responds|the server does not respond/);
    await gateway[Symbol.asyncDispose]();
  });
});

describe('an FFmpeg', () => {
  it('does not outlive a killed gateway, even if it waits for a silent server', async () => {
    await using camera = await MjpegCamera.serve(() => undefined);
    await using silent = new GatewayProcess(
      '--source',
      `ffmpeg:${camera.url}/?quality=80`,
      '--source',
      'b=ffmpeg:lavfi:testsrc2=rate=5',
    );
    await silent.url;
    await silent.statusWhere('two connections', () => camera.requests.length > 0);
    const pids = [
      ...(await programsOf(silent.process.pid!, 'ffmpeg')),
      ...(await programsOf(silent.process.pid!, 'ffprobe')),
    ];
    expect(pids).toHaveLength(2);
    silent.signal('SIGKILL');
    await silent.exited;
    const killedAtMs = performance.now();
    while (pids.some(isRunning)) {
      expect(performance.now() - killedAtMs).toBeLessThan(2000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  it('that is not installed ends the gateway at startup, with the command that installs it', async () => {
    const { code, stdout, stderr } = await run(['--port', '0', '--source', 'ffmpeg:lavfi:testsrc2'], {
      ...process.env,
      PATH: '/nonexistent',
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^gearway: ffmpeg is not installed, or not in the PATH; install it with: \S[^\n]+$/);
  });

  it('that is too old ends the gateway at startup', async () => {
    await using folder = await Folder.create();
    await folder.write(
      'ffmpeg',
      '#!/bin/sh\necho "ffmpeg version 3.4.8-0ubuntu0.2 Copyright (c) 2000-2020 the FFmpeg developers"\n',
      0o755,
    );
    const { code, stderr } = await run(['--port', '0', '--source', 'ffmpeg:lavfi:testsrc2'], {
      ...process.env,
      PATH: `${folder.path}:/bin:/usr/bin`,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^gearway: ffmpeg is version 3\.4, expected 4\.3 or newer; update it with: /);
  });
});

describe('picamera', () => {
  it('shows the output of rpicam-vid', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(20);
    await folder.write('all.mjpeg', Buffer.concat(jpegs));
    // A replacement, because there is no Raspberry Pi here.
    await folder.write(
      'rpicam-vid',
      `#!/bin/sh\n[ "$1" = --version ] && exit\necho "$@" > "${folder.file('args')}"\ncat "${folder.file('all.mjpeg')}"\nexec sleep 100\n`,
      0o755,
    );
    await using gateway = new Child(
      process.execPath,
      ['dist/gateway/main.js', '--port', '0', '--source', 'ffmpeg:picamera?size=400x120&fps=30'],
      { cwd: ROOT, env: { ...process.env, PATH: `${folder.path}:${process.env['PATH']}` } },
    );
    const url = await gateway.stdout.waitFor(
      'the ready line',
      (line) => /^Gearway is serving on (http:\S+)\/$/.exec(line)?.[1],
    );
    await using viewer = await FrameRecorder.open(url);
    // The gateway may receive the output in chunks.
    for (let count = 1; !viewer.payload.equals(jpegs[19]!); count += 1) await viewer.take(count);
    const response = await fetch(`${url}/streams/main/snapshot.jpg`);
    expect(Buffer.from(await response.arrayBuffer()).equals(jpegs[19]!)).toBe(true);
    expect(await readFile(folder.file('args'), 'utf8')).toContain('--codec mjpeg --timeout 0');
  });
});

describe('gearway devices', () => {
  it('lists the devices of this machine, or reports that there are none', async () => {
    const { code, stdout, stderr } = await run(['devices']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Cameras\n {2}\S/);
    expect(stdout).toContain('Screens\n');
    expect(code).toBe(stdout.includes('--source "ffmpeg:/dev/video') ? 0 : 1);
  });

  it('explains how to install FFmpeg', async () => {
    const { code, stdout } = await run(['devices'], { ...process.env, PATH: '/nonexistent' });
    expect(stdout).toMatch(/^ffmpeg is not installed, .*; install it with: /);
    expect(code).toBe(1);
  });

  it('shows no camera that does not exist', async () => {
    await using gateway = await LocalGateway.start('--source', 'ffmpeg:/dev/video99');
    const { source } = await gateway.statusWhere('a failure', (status) => status.source.lastError !== null);
    expect(source.lastError).toMatch(/no such camera/);
  });
});

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { ReverseProxy } from '../helpers/reverse-proxy.ts';

const FPS = 20;
const SECONDS = 1;

/** Minimum number of pictures for a reader, because the machine may be busy. */
const EXPECTED = (FPS * SECONDS) / 2;

// Further programs, which are not installed for the tests, were run by hand: docs/http-api.md.
describe('programs that read MJPEG', () => {
  let gateway: LocalGateway;
  let proxy: ReverseProxy;
  let proxied: string;
  beforeAll(async () => {
    // Without --insecure, requests through a proxy need a token.
    gateway = await LocalGateway.start('--source', `test-pattern:?size=320x240&fps=${FPS}`, '--insecure');
    const [port] = (await freePorts(1)) as [number];
    const config = `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; } }`;
    proxy = await ReverseProxy.start('nginx', config, port, Number(new URL(gateway.url).port));
    proxied = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
  });

  it.each<[how: string, through: 'nginx' | null, query?: string]>([
    ['opencv', null],
    ['opencv', 'nginx'],
    ['markers', null],
    ['markers', 'nginx'],
    ['lengths', null],
    ['lengths', 'nginx'],
    ['boundary', null],
    ['boundary', null, '?length=false'],
    ['opencv', null, '?length=false'],
  ])('get every picture completely: %s through %s', async (how, through, query = '') => {
    const origin = through === null ? gateway.url : proxied;
    await using reader = new PythonPeer('mjpeg_reader.py', {
      url: `${origin}/streams/main/mjpeg${query}`,
      how,
      seconds: SECONDS,
      shape: [240, 320, 3],
    });
    const { pictures, broken } = await reader.waitFor<{ pictures: number; broken: number }>('done');
    expect(broken).toBe(0);
    expect(pictures).toBeGreaterThanOrEqual(EXPECTED);
  });

  it('that require a length report its absence if it was not requested', async () => {
    await using reader = new PythonPeer('mjpeg_reader.py', {
      url: `${gateway.url}/streams/main/mjpeg?length=false`,
      how: 'lengths',
      seconds: SECONDS,
      shape: [240, 320, 3],
    });
    await reader.exited;
    expect(reader.stderr.all.at(-1)).toBe('ValueError: multipart: no content length');
  });

  // The last ones are Frigate's arguments for MJPEG cameras.
  it.each([
    [['-f', 'mpjpeg']],
    [[]],
    [
      [
        '-avoid_negative_ts',
        'make_zero',
        '-fflags',
        'nobuffer',
        '-flags',
        'low_delay',
        '-strict',
        'experimental',
        '-fflags',
        '+genpts+discardcorrupt',
        '-use_wallclock_as_timestamps',
        '1',
      ],
    ],
  ])('are FFmpeg with %j', async (args) => {
    const url = `${gateway.url}/streams/main/mjpeg`;
    const { stdout } = await promisify(execFile)(
      'ffmpeg',
      ['-v', 'error', ...args, '-i', url, '-frames:v', '20', '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'],
      { encoding: 'buffer', maxBuffer: 64 << 20, timeout: 30_000 },
    );
    expect(stdout.byteLength).toBe(20 * 320 * 240);
  });
});

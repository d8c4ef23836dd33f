import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { Child } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';

const MAIN = fileURLToPath(new URL('../../dist/gateway/main.js', import.meta.url));
const DOCS = readFileSync(new URL('../../docs/source-urls.md', import.meta.url), 'utf8');

/** Every `--source …` of the table at the beginning. */
const LINES = [
  ...new Set(
    [...DOCS.slice(DOCS.indexOf('\n|'), DOCS.indexOf('\n## ')).matchAll(/`--source "?([^`"]+)"?`/g)].map(
      ([, url]) => url!,
    ),
  ),
];

/**
 * Expected result of a command on a machine without cameras and network. A picture that does not change becomes stale.
 */
const OUTCOMES: readonly (readonly [line: RegExp, outcome: 'live' | 'waiting' | 'failing'])[] = [
  [/^(?:test-pattern:|ffmpeg:(?:lavfi:|video\.|list\.)|directory:|image:)/, 'live'],
  [/^(?:netgear:|netgear-async:|imagezmq:|push:)/, 'waiting'],
  // A missing device, or an address without a listener: reported, and retried.
  [/^(?:ffmpeg|mjpeg):/, 'failing'],
];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The stream of a command: all are sources of one gateway. One with `senders=` has a stream per sender. */
const nameOf = (line: string): string => /[?&]senders=(\w+)/.exec(line)?.[1] ?? `line-${LINES.indexOf(line)}`;

let folder: string;
let writer: Child;
let gateway: Child;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-docs-'));
  execFileSync('ffmpeg', [
    '-loglevel',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x240:rate=24:duration=20',
    '-c:v',
    'libx264',
    '-pix_fmt',
    'yuv420p',
    join(folder, 'video.mp4'),
  ]);
  writeFileSync(join(folder, 'list.m3u'), '#EXTM3U\nvideo.mp4\n');
  writeFileSync(join(folder, 'list.ffconcat'), 'ffconcat version 1.0\nfile video.mp4\n');
  execFileSync('mkfifo', [join(folder, 'video.pipe')]);
  // Waits until there is a reader.
  writer = new Child(
    'ffmpeg',
    [
      '-loglevel',
      'error',
      '-y',
      '-re',
      '-stream_loop',
      '-1',
      '-i',
      'video.mp4',
      '-c:v',
      'mjpeg',
      '-f',
      'mjpeg',
      'video.pipe',
    ],
    { cwd: folder },
  );
  mkdirSync(join(folder, 'images'));
  for (let n = 0; n < 20; n += 1)
    writeFileSync(
      join(folder, 'images', `img${n}.jpg`),
      await encodeJpeg({ data: Buffer.alloc(32 * 16 * 3, n * 10), width: 32, height: 16, channels: 3 }),
    );
  const ports = await freePorts(LINES.length);
  const sources = LINES.map((line, index) => {
    // Another program may listen there, and nothing may leave this machine.
    const place = `127.0.0.1:${ports[index]}`;
    return `${line.includes('senders=') ? '' : `${nameOf(line)}=`}${line.replace(/(?<=:\/\/)(?:239\.0\.0\.1|192\.168\.1\.\d+|127\.0\.0\.1|0\.0\.0\.0):\d+/, place).replace(/192\.168\.1\.\d+|example\.org/, place)}`;
  });
  gateway = new Child(process.execPath, [MAIN, '--port', '0', ...sources.flatMap((source) => ['--source', source])], {
    cwd: folder,
  });
  address = await gateway.stdout.waitFor(
    'the ready line',
    (text) => /^Gearway is serving on (http:\S+)\/$/.exec(text)?.[1],
  );
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await writer[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe('the lines of docs/source-urls.md', () => {
  it('are more than 25', () => {
    expect(LINES.length).toBeGreaterThan(25);
  });

  it.each(LINES)('--source %s', async (line) => {
    const [, outcome] = OUTCOMES.find(([pattern]) => pattern.test(line))!;
    const status = async (): Promise<StreamStatus> =>
      (await (await fetch(`${address}/api/streams/${nameOf(line)}`)).json()) as StreamStatus;
    const fits = ({ state, source }: StreamStatus): boolean =>
      outcome === 'live'
        ? state === 'live' || state === 'stale'
        : outcome === 'waiting'
          ? state === 'waiting'
          : source.lastError !== null;
    const deadline = performance.now() + 40_000;
    let said = await status();
    for (; !fits(said) && performance.now() < deadline; said = await status()) await sleep(100);
    expect(fits(said), JSON.stringify({ outcome, state: said.state, reason: said.reason, source: said.source })).toBe(
      true,
    );
    if (outcome !== 'failing') expect(said.source.lastError).toBeNull();
    // A readable sentence without secrets.
    else expect(said.source.lastError).toMatch(/^[^\n]{10,300}$/);
    expect(JSON.stringify(said)).not.toContain('password');
  });
});

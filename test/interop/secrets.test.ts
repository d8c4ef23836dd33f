/**
 * Passwords of sources, in every output of a gateway. FFmpeg is replaced by a script that parses addresses like FFmpeg,
 * and prints them.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { Viewer } from '../helpers/viewer.ts';

/** The sentences that are drawn into pictures. */
const painted = vi.hoisted((): string[] => []);

// Files share modules: those that an earlier file has loaded are not mocked, and a later file must not get mocked ones.
vi.hoisted(() => void vi.resetModules());
afterAll(() => void vi.resetModules());

vi.mock(import('../../gateway/drawing/placeholder.ts'), async (original) => {
  const { createPlaceholder } = await original();
  return {
    createPlaceholder: (sentence: string) => {
      painted.push(sentence);
      return createPlaceholder(sentence);
    },
  };
});

const FFMPEG = `#!/bin/sh
if test "$1" = -version; then echo 'ffmpeg version 6.1'; exit; fi
for word; do case $word in
  *://*)
    authority=\${word#*://}; authority=\${authority%%[/?#]*}; host=\${authority##*@}
    printf '%s\\n' "[tcp @ 0x5581c7] Failed to resolve hostname $host: Name or service not known (port \${host##*:})" "$word: Invalid argument" >&2 ;;
  *) printf '%s\\n' "$word: unknown" >&2 ;;
esac; done
exit 1
`;

const folder = mkdtempSync(join(tmpdir(), 'gearway-secrets-'));
const path = process.env['PATH'];

beforeAll(() => {
  for (const name of ['ffmpeg', 'ffprobe']) {
    writeFileSync(join(folder, name), FFMPEG);
    chmodSync(join(folder, name), 0o755);
  }
  process.env['PATH'] = `${folder}${delimiter}${path}`;
});

afterAll(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});

const encoded = (text: string): string => encodeURIComponent(text);

/** Typical sources with a password. */
const SOURCES: readonly ((password: string) => string)[] = [
  (password) => `ffmpeg:rtsp://admin:${password}@127.0.0.1:9/live`,
  (password) => `ffmpeg:http://admin:${password}@127.0.0.1:9/mjpeg?channel=1?copy=true`,
  (password) => `mjpeg:http://admin:${password}@127.0.0.1:9/mjpeg?channel=1?fps=2`,
  (password) => `ffmpeg:rtmp://127.0.0.1:9/live?token=${encoded(password)}?fps=5`,
  (password) =>
    `ffmpeg:rtsp://127.0.0.1:9/live?inputArgs=${encoded(`-http_proxy "http://admin:${password.replaceAll('"', '')}@127.0.0.1:9"`)}`,
  (password) =>
    `ffmpeg:http://127.0.0.1:9/live?inputArgs=${encoded(`-headers "Authorization: Basic ${Buffer.from(`admin:${password}`).toString('base64')}"`)}`,
];

/** Characters that parsers treat as special. test/unit/sources/redactor.test.ts tests all others. */
const CHARACTERS = [...Array.from(' #/?@:%&+="\'\\[;,!'), '\t', 'é', '\u202E'];

const atAnyPlace = (character: string): readonly string[] => [
  `${character}Hunt3rGreen`,
  `Hunt3r${character}Green`,
  `Hunt3rGreen${character}`,
];

const SECRET = /Hunt3r|Green|SHVudDNy|R3JlZW/i;

const MAX_STREAMS = 64;

describe('a password in a source', () => {
  const log: string[] = [];

  /** Waits until every source has failed. */
  async function start(source: readonly string[]): Promise<Gateway> {
    const gateway = await createGateway({ port: 0, source, log: (line) => log.push(line) });
    await expect
      .poll(() => [...gateway.streams.values()].every((stream) => stream.status().source.lastError !== null), {
        timeout: 60_000,
        interval: 100,
      })
      .toBe(true);
    return gateway;
  }

  /** All texts of a gateway about its streams. */
  async function textsOf(gateway: Gateway): Promise<string> {
    const { url } = await gateway.listen();
    const texts: string[] = [
      inspect(
        [...gateway.streams.values()].map((stream) => stream.status()),
        { depth: 9 },
      ),
    ];
    texts.push(await (await fetch(`${url}api/streams`)).text());
    const events = gateway.events();
    for (let wanted = gateway.streams.size; wanted > 0; wanted -= 1)
      texts.push(JSON.stringify((await events.next()).value));
    await events.return?.();
    for (const name of [...gateway.streams.keys()].slice(0, 6)) {
      const snapshot = await fetch(`${url}streams/${name}/snapshot.jpg`);
      expect(snapshot.status).toBe(503);
      texts.push(await snapshot.text());
      await using viewer = await Viewer.connect(url, name);
      texts.push(JSON.stringify(await viewer.hello()));
      const mjpeg = await fetch(`${url}streams/${name}/mjpeg`);
      await mjpeg.body?.cancel();
    }
    return texts.join('\n');
  }

  it.each(SOURCES.map((sourceOf, index) => [sourceOf('PASSWORD'), sourceOf, index === 0] as const))(
    'is never leaked, with any characters: %s',
    async (_example, sourceOf, isFirst) => {
      const passwords = CHARACTERS.flatMap((character) =>
        isFirst ? atAnyPlace(character) : [`Hunt3r${character}Green`],
      );
      for (let from = 0; from < passwords.length; from += MAX_STREAMS) {
        await using gateway = await start(
          passwords.slice(from, from + MAX_STREAMS).map((password, index) => `s${index}=${sourceOf(password)}`),
        );
        const texts = await textsOf(gateway);
        expect(painted).not.toEqual([]);
        for (const line of [...texts.split('\n'), ...log.splice(0), ...painted.splice(0)])
          expect(line).not.toMatch(SECRET);
        // The rest of the address is still readable.
        expect(texts).toMatch(/127\.0\.0\.1:9/);
      }
    },
  );

  it('is reported as needing percent-encoding if it does', async () => {
    await using gateway = await start([
      'plain=ffmpeg:rtsp://admin:Hunt3r@127.0.0.1:9/',
      ...['#', '/', '?', '@', ' ', '%'].map(
        (character, index) => `s${index}=ffmpeg:rtsp://admin:Hunt3r${character}x@127.0.0.1:9/`,
      ),
    ]);
    const hints = [...gateway.streams].map(([name, stream]) => [
      name === 'plain',
      /percent-encoded/.test(stream.status().source.lastError ?? ''),
    ]);
    expect(hints).toEqual([[true, false], ...Array.from({ length: 6 }, () => [false, true])]);
  });

  it.each(CHARACTERS)('is not in thrown errors, with %j', async (character) => {
    for (const password of atAnyPlace(character).slice(0, 2)) {
      for (const source of [
        [`rtsp://admin:${password}@cam/`],
        [`cam=rtsp://admin:${password}@cam/`],
        [`ffmpeg:rtsp:/admin:${password}@cam/`],
        [`ffmpeg:rtsp://admin:${password}@cam/?fps=none`],
        [`ffmpeg:rtsp://admin:${password}@cam/?fps=1&fps=2`],
        [`ffmpeg:rtsp://admin:${password}@cam/?inputArgs=${encoded(`-headers 'Cookie: ${password}`)}`],
        ['ffmpeg:camera', `ffmpeg:rtsp://admin:${password}@cam/`],
        [`directory:smb://admin:${password}@nas/folder`],
        [`netgear:tcp://admin:${password}@cam:5555`],
        [`imagezmq:tcp://admin:${password}@cam:5555`],
        [`netgear-async:tcp://admin:${password}@cam:5555`],
        [`test-pattern:rtsp://admin:${password}@cam/`],
        [`push:rtsp://admin:${password}@cam/`],
        [`mjpeg:rtsp://admin:${password}@cam/`],
        [`mjpeg:http://admin:${password}@cam:99999/`],
        [`image:http://admin:${password}@cam/`],
        [`mjpeg:http://admin:${password}@cam/?fps=none`],
      ]) {
        const error: unknown = await createGateway({ source }).then(
          (gateway) => gateway.close(),
          (thrown: unknown) => thrown,
        );
        if (source.length > 1 || error !== undefined) expect(inspect(error, { depth: 9 })).not.toMatch(SECRET);
      }
    }
  });
});

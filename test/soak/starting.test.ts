/** Requirements of the built command at startup. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { RawPeer } from '../helpers/raw-peer.ts';
import { Viewer } from '../helpers/viewer.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMMAND = 'dist/gateway/main.js';

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'gearway-ending-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

describe('the start of the gateway', () => {
  /** Runs the command to its end, after a shell command. */
  const run = (setup: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(
        'sh',
        ['-c', `${setup} && exec "$0" "$@"`, process.execPath, COMMAND, '--port', '0', ...args],
        { cwd: ROOT, timeout: 20_000 },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
        },
      );
    });

  it.each([160, 128, 112, 100, 80, 64, 48, 32, 28])(
    'exits with 1 and one sentence with %i descriptors',
    async (limit) => {
      const { code, stdout, stderr } = await run(`ulimit -n ${limit}`, '--source', 'test-pattern:');
      expect(stderr).toMatch(/^gearway: [^\n]+\n$/);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    },
    30_000,
  );

  it('serves with 256 descriptors, refuses more connections, and recovers', async () => {
    const gateway = new Child(
      'sh',
      [
        '-c',
        'ulimit -n 256 && exec "$0" "$@"',
        process.execPath,
        COMMAND,
        '--port',
        '0',
        '--source',
        'test-pattern:?size=160x120&fps=10',
      ],
      { cwd: ROOT },
    );
    await using _ = gateway;
    const url = await gateway.stdout.waitFor(
      'the ready line',
      (line) => /(http:\/\/127\.0\.0\.1:\d+)\//.exec(line)?.[1],
    );
    await using viewer = await Viewer.connect(url);
    await viewer.hello();
    const peers = await Promise.all(Array.from({ length: 200 }, () => RawPeer.connect(url)));
    // Some were refused; the viewer continues.
    await expect.poll(() => peers.filter(({ hasEnded }) => hasEnded).length, { timeout: 10_000 }).toBeGreaterThan(100);
    const { sequence } = await viewer.until('frame');
    viewer.ack(sequence);
    expect((await viewer.until('frame')).sequence).toBeGreaterThan(sequence);
    for (const peer of peers) peer.close();
    await expect
      .poll(
        () =>
          fetch(`${url}/healthz`).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(200);
    expect(gateway.isRunning).toBe(true);
  }, 60_000);

  it('exits with one sentence if the folder of its keys cannot be written', async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, '.vidgear'), 'a file where the folder should be');
    const { code, stderr } = await run(
      `export HOME=${folder.path}`,
      '--source',
      'netgear:tcp://127.0.0.1:5999?pattern=1&secure=1',
    );
    expect(stderr).toMatch(/^gearway: [^\n]+\n$/);
    expect(code).toBeGreaterThan(0);
  }, 30_000);
});

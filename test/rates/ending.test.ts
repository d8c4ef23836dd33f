/** The end of the built command. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { Disposables } from '../helpers/disposables.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { RawPeer } from '../helpers/raw-peer.ts';
import { Viewer } from '../helpers/viewer.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMMAND = 'dist/gateway/main.js';

/** As documented in docs/command-line.md. */
const LIMIT_MS = 2000;

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'gearway-ending-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

async function serve(nodeArgs: readonly string[], ...args: string[]): Promise<{ gateway: Child; url: string }> {
  const gateway = new Child(process.execPath, [...nodeArgs, COMMAND, '--port', '0', ...args], { cwd: ROOT });
  const url = await gateway.stdout.waitFor('the ready line', (line) => /(http:\/\/127\.0\.0\.1:\d+)\//.exec(line)?.[1]);
  return { gateway, url };
}

/** Milliseconds from a signal to the end, and the exit status. */
async function end(gateway: Child, signal: NodeJS.Signals): Promise<{ ms: number; code: number | null }> {
  const from = performance.now();
  gateway.signal(signal);
  const code = await gateway.exited;
  return { ms: performance.now() - from, code };
}

/**
 * A gateway in which three of the four threads of libuv's pool are blocked permanently, as by a file system that does
 * not respond.
 */
async function serveBlocked(folder: string): Promise<Child> {
  // The FIFO has no writer: opening it blocks forever.
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const blocker = join(folder, 'blocker.cjs');
  writeFileSync(
    blocker,
    `process.on('SIGUSR2', () => { for (let i = 0; i < 3; i += 1) require('node:fs').open(${JSON.stringify(fifo)}, () => {}); process.stdout.write('blocked\\n'); });`,
  );
  const { gateway } = await serve(['--require', blocker], '--source', 'push:');
  gateway.signal('SIGUSR2');
  await gateway.stdout.waitFor('the blocked threads', (line) => (line === 'blocked' ? line : undefined));
  return gateway;
}

describe('the end of the gateway', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'occurs within 2 s of %s while threads of the pool are blocked',
    async (signal) => {
      await withinAttempts(
        async () => {
          using folder = temporaryFolder();
          await using gateway = await serveBlocked(folder.path);
          const { ms } = await end(gateway, signal);
          return { ms, log: gateway.stderr.all.join('\n') };
        },
        ({ ms, log }) => {
          expect(ms).toBeLessThan(LIMIT_MS);
          expect(log).toContain('error: killed because it was still running 1800 ms after the signal: FSReqCallback');
        },
      );
    },
    120_000,
  );

  it('occurs immediately at the second signal, even while threads of the pool are blocked', async () => {
    await withinAttempts(
      async () => {
        using folder = temporaryFolder();
        await using gateway = await serveBlocked(folder.path);
        gateway.signal('SIGTERM');
        // npm and the terminal may send the same signal twice within 0.3 s.
        await sleep(400);
        return (await end(gateway, 'SIGTERM')).ms;
      },
      (ms) => expect(ms).toBeLessThan(1000),
    );
  }, 120_000);

  it('occurs within 2 s and with status 0 for any connected peers', async () => {
    await withinAttempts(
      async () => {
        // A suspended client: its address accepts connections, and sends nothing.
        await using stopped = new Child(process.execPath, [
          '-e',
          "require('node:net').createServer(() => {}).listen(0, '127.0.0.1', function () { console.log(this.address().port); })",
        ]);
        const port = await stopped.stdout.waitFor('the port', (line) => line);
        const { gateway, url } = await serve(
          [],
          '--source',
          'main=test-pattern:?size=640x480&fps=30',
          '--source',
          'pushed=push:',
          '--client',
          `tcp://127.0.0.1:${port}`,
          '--virtual-ports',
          'main=6000-6299',
        );
        await using _ = gateway;
        stopped.signal('SIGSTOP');
        await using peers = new Disposables();
        // Viewers connect in groups, because each has 5 s for its hello.
        for (let group = 0; group < 10; group += 1) {
          const viewers = await Promise.all(
            Array.from({ length: 20 }, async () => peers.use(await Viewer.connect(url))),
          );
          await Promise.all(viewers.map((viewer) => viewer.hello()));
          for (const viewer of viewers) viewer.socket.pause();
        }
        const requests = [
          'GET /streams/main/mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
          'GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
          'POST /streams/pushed/frames HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n',
          'GET /streams/main/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
          'GET /half',
          '',
        ];
        for (const request of requests) {
          for (const halfClose of [false, true]) {
            const peer = peers.use(await RawPeer.connect(url));
            peer.send(request);
            if (halfClose) await peer.halfClose();
            else if (request.endsWith('\r\n\r\n')) await peer.receive('\r\n\r\n');
            peer.pause();
          }
        }
        const silent = connect(Number(new URL(url).port), '127.0.0.1');
        silent.on('error', () => undefined);
        await once(silent, 'connect');
        const ended = await end(gateway, 'SIGTERM');
        silent.destroy();
        return ended;
      },
      ({ ms, code }) => {
        expect(ms).toBeLessThan(LIMIT_MS);
        expect(code).toBe(0);
      },
    );
  }, 180_000);
});

import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { Disposables } from '../helpers/disposables.ts';
import { FrameRecorder } from '../helpers/frame-recorder.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { buildBomb } from '../helpers/jpeg-builder.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

const BOMB = buildBomb({ width: 4096, height: 4096, scans: 1200 });

/** The maximum amount of work for a decoder. */
const HEAVIEST = buildBomb({ width: 4096, height: 4096, scans: 15 });

const HONEST = await encodeJpeg({ data: new Uint8Array(64 * 48 * 3).fill(99), width: 64, height: 48, channels: 3 });

const SECONDS = 8;

describe('JPEGs that take long to decode', () => {
  it.each([
    ['too many scans', BOMB],
    ['as many scans as are allowed', HEAVIEST],
  ])(
    'with %s, returned by six viewers, delay neither frames nor other viewers nor the shutdown',
    async (_name, data) => {
      await using all = new Disposables();
      const gateway = all.use(
        await GatewayProcess.start('--source', 'test-pattern:?size=640x480&fps=30', '--virtual-ports', '6000-6063'),
      );
      const url = await gateway.url;
      const recorder = all.use(await FrameRecorder.open(url));
      await recorder.take(30);
      const longestGap = (from: number): number =>
        Math.max(
          ...recorder.frames.slice(from + 1).map(({ atMs }, index) => atMs - recorder.frames[from + index]!.atMs),
        );
      const honest = all.use(await WebViewer.open(`${url}/streams/main`));
      const attackers = await Promise.all(
        Array.from({ length: 6 }, async () => all.use(await WebViewer.open(`${url}/streams/main`))),
      );
      // Baseline of this machine without an attack.
      const quietFrom = recorder.frames.length;
      await delay(1000 * SECONDS);
      const quietMs = longestGap(quietFrom);
      const from = recorder.frames.length;
      const endsAtMs = performance.now() + 1000 * SECONDS;
      let isOver = false;
      const attacks = attackers.map(async (viewer) => {
        // The next JPEG follows immediately, whether or not the previous one was refused. The last JPEGs get no answer.
        while (!isOver)
          await Promise.all([
            Promise.race([viewer.return({ kind: 'jpeg', data }).catch(() => undefined), delay(1000)]),
            delay(200),
          ]);
      });
      let answered = 0;
      let slowestMs = 0;
      while (performance.now() < endsAtMs) {
        const beganMs = performance.now();
        await honest.return({ kind: 'jpeg', data: HONEST });
        slowestMs = Math.max(slowestMs, performance.now() - beganMs);
        answered += 1;
        await delay(50);
      }
      process.stdout.write(
        `${recorder.frames.length - from} frames, longest gap ${longestGap(from).toFixed(0)} ms (${quietMs.toFixed(0)} ms without the attack); ${answered} returns answered, the slowest after ${slowestMs.toFixed(0)} ms\n`,
      );
      expect(longestGap(from)).toBeLessThan(500 + quietMs);
      expect(answered).toBeGreaterThan(0);
      const stoppedAtMs = performance.now();
      gateway.signal('SIGTERM');
      expect(await gateway.exited).toBe(0);
      process.stdout.write(`ended ${(performance.now() - stoppedAtMs).toFixed(0)} ms after SIGTERM\n`);
      expect(performance.now() - stoppedAtMs).toBeLessThan(2000);
      isOver = true;
      await Promise.all(attacks);
    },
  );
});

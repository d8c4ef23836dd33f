import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { feature } from '../../shared/protocol.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { Partitions } from '../helpers/partitions.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { get, served, until } from '../interop/cluster/here.ts';

/** How long the network is cut. */
const CUT_MS = 20_000;

/** Maximum time from a fault, or its end, until everything works again. */
const RECOVERY_MS = 3000;

const SOURCE = ['--source', 'main=test-pattern:?size=320x180&fps=20', '--control', 'exclusive'];

const open = (url: string): Promise<WebViewer> =>
  WebViewer.open(`${url}/streams/main`, { features: [feature.control] });

/** A viewer with a port. JetStream may need several elections for a new leader, up to about 20 s on a busy machine. */
function openWithPort(url: string): Promise<WebViewer> {
  return until(
    'a viewer with a port',
    async () => {
      const viewer = await open(url);
      if ((await viewer.welcome).port !== null) return viewer;
      await viewer[Symbol.asyncDispose]();
      return null;
    },
    (viewer) => viewer !== null,
    60_000,
  ) as Promise<WebViewer>;
}

/** Waits for one more frame. @returns how long that took. */
async function nextFrameMs(viewer: WebViewer, timeoutMs?: number): Promise<number> {
  const [fromMs, before] = [performance.now(), viewer.messages.length];
  await until(
    'a frame',
    () => viewer.messages.length,
    (count) => count > before,
    timeoutMs,
  );
  return performance.now() - fromMs;
}

async function holderAt(url: string): Promise<number | null | undefined> {
  return (await get<StreamStatus>(`${url}/api/streams/main`)).control?.port;
}

/** Ports of the viewers, which must be different. */
async function expectUnique(viewers: readonly WebViewer[]): Promise<void> {
  const ports = await Promise.all(viewers.map(async ({ welcome }) => (await welcome).port));
  expect(ports).not.toContain(null);
  expect(new Set(ports).size).toBe(ports.length);
}

// Both run concurrently, because they mostly wait.
describe.concurrent('a cluster in a network that is cut for 20 s', () => {
  it('continues at the others while a gateway is cut off, and everywhere afterwards', async ({ expect }) => {
    await using partitions = await Partitions.create();
    await partitions.nats(10);
    const cluster = `nats://${Partitions.address(10)}`;
    const a = await partitions.gateway(20, ...SOURCE, '--cluster', `${cluster}?gateway=A`);
    const [b, c] = [
      await partitions.gateway(21, '--source', 'yard=push:', '--cluster', `${cluster}?gateway=B`),
      await partitions.gateway(22, '--source', 'shed=push:', '--cluster', `${cluster}?gateway=C`),
    ];
    await Promise.all([served(b.url, 'main'), served(c.url, 'main')]);
    await using atA = await open(a.url);
    await using atB = await open(b.url);
    await using atC = await open(c.url);
    for (const viewer of [atA, atB, atC]) await nextFrameMs(viewer);
    await atB.control('take');
    await atB.return({ kind: 'value', value: { drive: 1 } });
    expect(await holderAt(a.url)).toBe((await atB.welcome).port);
    // The gateway of the driver.
    await partitions.cut(21);
    const cutAtMs = performance.now();
    await until(
      'no holder of control',
      () => holderAt(a.url),
      (port) => port === null,
    );
    expect(performance.now() - cutAtMs).toBeLessThan(2500);
    const longest = { a: 0, c: 0 };
    const extra: WebViewer[] = [];
    while (performance.now() - cutAtMs < CUT_MS) {
      longest.a = Math.max(longest.a, await nextFrameMs(atA));
      longest.c = Math.max(longest.c, await nextFrameMs(atC));
      if (extra.length < 4) extra.push(await open(extra.length % 2 === 0 ? a.url : c.url));
    }
    expect(Math.max(longest.a, longest.c)).toBeLessThan(2000);
    // Viewers that connect there can only watch.
    await using alone = await open(b.url);
    expect((await alone.welcome).port).toBeNull();
    await partitions.heal(21);
    expect(await nextFrameMs(atB)).toBeLessThan(RECOVERY_MS);
    expect([atA, atB, atC].map(({ isOpen }) => isOpen)).toEqual([true, true, true]);
    await expectUnique([atA, atB, atC, ...extra]);
    expect(await holderAt(a.url)).toBeNull();
    for (const viewer of extra) await viewer[Symbol.asyncDispose]();
    // The gateway of the source.
    await partitions.cut(20);
    const own = performance.now();
    while (performance.now() - own < CUT_MS) expect(await nextFrameMs(atA)).toBeLessThan(2000);
    await partitions.heal(20);
    const healedAtMs = performance.now();
    for (const viewer of [atB, atC]) await nextFrameMs(viewer);
    expect(performance.now() - healedAtMs).toBeLessThan(RECOVERY_MS);
    expect([atA, atB, atC].map(({ isOpen }) => isOpen)).toEqual([true, true, true]);
    await until(
      'control at B',
      () => atB.control('take').then(String, String),
      (result) => result === 'undefined',
    );
    await until(
      'the holder at A',
      () => holderAt(a.url),
      (port) => port !== null,
    );
    await expectUnique([atA, atB, atC]);
  });

  it('continues while any one of three NATS servers is cut off', async ({ expect }) => {
    await using partitions = await Partitions.create();
    const numbers = [10, 11, 12];
    const routes = numbers.map((number) => `nats://${Partitions.address(number)}:6222`).join(',');
    await Promise.all(
      numbers.map((number) =>
        partitions.nats(
          number,
          '--name',
          `n${number}`,
          '--cluster_name',
          'test',
          '--routes',
          routes,
          '--cluster',
          `nats://${Partitions.address(number)}:6222`,
        ),
      ),
    );
    const cluster = `nats://${numbers.map((number) => Partitions.address(number)).join(',')}`;
    const a = await partitions.gateway(30, ...SOURCE, '--cluster', `${cluster}?gateway=A`);
    const b = await partitions.gateway(31, '--source', 'yard=push:', '--cluster', `${cluster}?gateway=B`);
    await served(b.url, 'main');
    await using atA = await open(a.url);
    await using atB = await open(b.url);
    const extra: WebViewer[] = [];
    const gapsMs: number[] = [];
    for (const number of numbers) {
      for (const viewer of [atA, atB]) await nextFrameMs(viewer);
      await partitions.cut(number);
      const cutAtMs = performance.now();
      let longestMs = 0;
      while (performance.now() - cutAtMs < CUT_MS) {
        expect(await nextFrameMs(atA)).toBeLessThan(2000);
        longestMs = Math.max(longestMs, await nextFrameMs(atB));
      }
      gapsMs.push(Math.round(longestMs));
      // The majority assigns ports, if necessary after it has elected a leader.
      extra.push(await openWithPort(a.url), await openWithPort(b.url));
      await partitions.heal(number);
      // The server catches up before the next one is cut off.
      await sleep(10_000);
    }
    // If the server of a gateway is cut off, the gap lasts until the gateway notices this and restarts its session.
    expect(Math.max(...gapsMs), `gaps of ${gapsMs.join(', ')} ms`).toBeLessThan(RECOVERY_MS);
    expect([atA, atB, ...extra].map(({ isOpen }) => isOpen)).not.toContain(false);
    await expectUnique([atA, atB, ...extra]);
    for (const viewer of extra) await viewer[Symbol.asyncDispose]();
  });
});

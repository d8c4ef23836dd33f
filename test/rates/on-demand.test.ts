import { describe, expect, it } from 'vitest';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { Viewer } from '../helpers/viewer.ts';

describe('a source on demand', () => {
  it('shows its first picture within a second of the first viewer, and is closed within 5 s of the last', async () => {
    await using gateway = await GatewayProcess.start('--source', 'test-pattern:?onDemand=true');
    const sleeps = (): Promise<unknown> =>
      gateway.statusWhere('a source without viewers', ({ source }) => source.state === 'asleep');
    await withinAttempts(
      async () => {
        await sleeps();
        const came = performance.now();
        const viewer = await Viewer.connect(await gateway.url);
        await viewer.hello();
        await viewer.until('frame');
        const firstMs = performance.now() - came;
        await viewer[Symbol.asyncDispose]();
        const left = performance.now();
        await sleeps();
        return { firstMs, asleepMs: performance.now() - left };
      },
      ({ firstMs, asleepMs }) => {
        expect(firstMs).toBeLessThan(1000);
        expect(asleepMs).toBeLessThan(5000);
      },
    );
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Viewer } from '../helpers/viewer.ts';

const sleeps = (gateway: LocalGateway, timeoutMs?: number): Promise<unknown> =>
  gateway.statusWhere('a source that sleeps', ({ source }) => source.state === 'asleep', timeoutMs);

describe('a source on demand', () => {
  let gateway: LocalGateway;
  let port: number;

  beforeAll(async () => {
    [port = 0] = await freePorts(1);
    gateway = await LocalGateway.start(
      '--source',
      'test-pattern:?size=320x180&fps=10&onDemand=true',
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
  });

  it('sleeps while its viewers are out of sight, and wakes when one is visible', async () => {
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await viewer.until('frame');
    viewer.want({ paused: true });
    await sleeps(gateway);
    viewer.want({ paused: false });
    await viewer.until('frame');
  });

  it('is opened for a snapshot, which waits for a frame', async () => {
    await sleeps(gateway);
    const response = await fetch(`${gateway.url}/streams/main/snapshot.jpg`);
    expect(response.status).toBe(200);
    expect([...new Uint8Array(await response.arrayBuffer()).subarray(0, 2)]).toEqual([0xff, 0xd8]);
  });
});

import { describe, expect, it } from 'vitest';
import { launchBrowser, sharedBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { ViewerPage } from './viewer-page.ts';

interface Report {
  readonly t: number;
  readonly data: { readonly $array: string; readonly shape: readonly number[]; readonly sha1: string } | null;
}

const SOON = { timeout: 20_000 };

describe('<gearway-camera>', () => {
  it('sends its pictures to a NetGear server, which gets arrays, until it is turned off', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${port}?pattern=1&returns=newest`,
    );
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 100_000 });
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using view = await ViewerPage.ofGateway(browser, gateway);
    await view.page.addScriptTag({ url: `${gateway.url}/gearway-devices.js`, type: 'module' });
    await view.becomes('live');
    await view.page.evaluate(() => {
      const camera = Object.assign(document.createElement('gearway-camera'), { active: true });
      camera.style.cssText = 'position: fixed; inset: 0 auto auto 0; z-index: 1; background: #fff; color: #111';
      document.body.append(camera);
    });
    const pictures = (): Report[] => server.events<Report>('returned').filter(({ data }) => data !== null);
    // The fake camera draws a clock: no two pictures are the same.
    await expect.poll(() => new Set(pictures().map(({ data }) => data?.sha1)).size, SOON).toBeGreaterThan(30);
    expect(new Set(pictures().map(({ data }) => `${data?.$array} ${data?.shape.join()}`))).toEqual(
      new Set(['uint8 480,640,3']),
    );
    const state = (): Promise<string> => view.page.evaluate(() => document.querySelector('gearway-camera')!.state);
    expect(await state()).toBe('on');
    expect(view.page.workers().map((worker) => new URL(worker.url()).pathname)).toContain('/gearway-camera-worker.js');
    await view.page.click('gearway-camera >>> button');
    await expect.poll(state, SOON).toBe('off');
    await expect.poll(() => server.events<Report>('returned').at(-1)!.data, SOON).toBeNull();
    expect(await view.page.evaluate(() => document.querySelector('gearway-camera')!.active)).toBe(false);
  });

  it('reports why no camera is available', async () => {
    await using gateway = await LocalGateway.start();
    await using browser = await launchBrowser('chromium', { flags: ['--use-fake-ui-for-media-stream'] });
    await using view = await ViewerPage.ofGateway(browser, gateway);
    await view.page.addScriptTag({ url: `${gateway.url}/gearway-devices.js`, type: 'module' });
    await view.becomes('live');
    await view.page.evaluate(() => {
      document.body.append(Object.assign(document.createElement('gearway-camera'), { active: true }));
    });
    await view.page.waitForFunction(() => document.querySelector('gearway-camera')!.state === 'failed');
    const seen = await view.page.evaluate(() => {
      const { active, reason } = document.querySelector('gearway-camera')!;
      return { active, reason };
    });
    expect(seen).toEqual({ active: false, reason: 'no camera was found: connect one, or choose another' });
  });
});

/** A browser's camera as return data of a real NetGear server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ViewerPage } from '../../../browser/viewer-page.ts';
import { launchBrowser } from '../../../helpers/browsers.ts';
import { freePorts } from '../../../helpers/free-port.ts';
import { GatewayProcess } from '../../../helpers/gateway-process.ts';
import { withinAttempts } from '../../../helpers/within-attempts.ts';
import { PythonPeer } from '../../../helpers/peers.ts';

/** A returned array, as `server.py` reports it. */
interface Picture {
  readonly $array: string;
  readonly shape: readonly number[];
  readonly sha1: string;
}

const MEASURED_MS = 5000;

describe('<gearway-camera>', () => {
  it('gives a NetGear server at least 20 different pictures of 640×480 per second, as arrays', async () => {
    const [port] = (await freePorts(1)) as [number];
    const source = `netgear:tcp://127.0.0.1:${port}?pattern=1&returns=newest`;
    await using gateway = await GatewayProcess.start('--source', source);
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 100_000 });
    await using browser = await launchBrowser('chromium', { camera: 'fake' });
    await using view = await ViewerPage.ofGateway(browser, gateway);
    await view.page.addScriptTag({ url: `${await gateway.url}/gearway-devices.js`, type: 'module' });
    await view.becomes('live');
    await view.page.evaluate(() => {
      document.body.append(Object.assign(document.createElement('gearway-camera'), { active: true }));
    });
    const pictures = (): Picture[] =>
      server.events<{ readonly data: Picture | null }>('returned').flatMap(({ data }) => data ?? []);
    await expect.poll(() => pictures().length).toBeGreaterThan(0);
    await withinAttempts(
      async () => {
        const from = pictures().length;
        await sleep(MEASURED_MS);
        const arrived = pictures().slice(from);
        const types = new Set(arrived.map(({ $array, shape }) => `${$array} ${shape.join()}`));
        expect(types).toEqual(new Set(['uint8 480,640,3']));
        return (new Set(arrived.map(({ sha1 }) => sha1)).size * 1000) / MEASURED_MS;
      },
      (framesPerSecond) => {
        console.info(`${framesPerSecond} fps`);
        expect(framesPerSecond).toBeGreaterThanOrEqual(20);
      },
    );
  });
});

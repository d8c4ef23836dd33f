import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { NetGearReceiver } from '../../gateway/netgear/receiver.ts';
import { ViewerPage } from '../browser/viewer-page.ts';
import { Child } from '../helpers/child.ts';
import { Disposables } from '../helpers/disposables.ts';
import { ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { peers } from '../helpers/peers.ts';

/** The page of a stream in the console, for an administrator, with everything that is connected. */
export class ConsoleScene implements AsyncDisposable {
  readonly view: ViewerPage;
  readonly #resources: Disposables;

  private constructor(view: ViewerPage, resources: Disposables) {
    this.view = view;
    this.#resources = resources;
  }

  /** A test pattern with two NetGear clients and a viewer on a phone. */
  static async withClients(browser: Browser): Promise<ConsoleScene> {
    const resources = new Disposables();
    const ports = await freePorts(2);
    const clients = ports.flatMap((port) => ['--client', `tcp://127.0.0.1:${port}?pattern=1`]);
    const source = ['--source', 'test-pattern:?size=1280x720&fps=15'];
    const gateway = resources.use(await LocalGateway.start(...source, ...clients));
    for (const [index, data] of [{ arm: [0.1, 1.2] }, { battery: 0.82, mode: 'follow' }].entries()) {
      const receiver = new NetGearReceiver({ port: String(ports[index]), pattern: 1, bidirectional_mode: true });
      resources.use({ [Symbol.asyncDispose]: () => receiver.close() });
      await receiver.open();
      receiver.setReturnData(data);
      void (async () => {
        // Reads until the receiver is closed.
        for await (const received of receiver) void received;
      })();
    }
    resources.use(await ViewerPage.ofGateway(browser, gateway, '?stream=main&name=Phone'));
    return ConsoleScene.#open(browser, gateway, resources);
  }

  /** The robot of examples/python/, with devices that control it. @param devices as in an exported layout. */
  static async withDevices(browser: Browser, devices: readonly object[]): Promise<ConsoleScene> {
    const resources = new Disposables();
    const [port] = await freePorts(1);
    const source = `robot=netgear:tcp://127.0.0.1:${port}?pattern=1&capturedAt=t`;
    const gateway = resources.use(await LocalGateway.start('--source', source));
    const folder = await mkdtemp(join(tmpdir(), 'gearway-robot-'));
    resources.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) });
    const path = join(ROOT, 'examples/python/driven_robot.py');
    const env = { ...process.env, PYTHONWARNINGS: 'ignore' };
    resources.use(new Child(peers().python, ['-u', path, String(port)], { cwd: folder, env }));
    const scene = await ConsoleScene.#open(browser, gateway, resources);
    const { page } = scene.view;
    await page.evaluate(
      (layout) => localStorage.setItem('gearway-layout / robot', layout),
      JSON.stringify({ devices }),
    );
    await page.reload();
    await scene.view.becomes('live');
    await page.locator('::-p-aria([name="Devices"][role="button"])').click();
    return scene;
  }

  static async #open(browser: Browser, gateway: LocalGateway, resources: Disposables): Promise<ConsoleScene> {
    const view = resources.use(await ViewerPage.open(browser, gateway.administratorUrl));
    await view.becomes('live');
    return new ConsoleScene(view, resources);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources[Symbol.asyncDispose]();
  }
}

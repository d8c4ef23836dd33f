import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import type { GearwayViewer } from '../../web/viewer/gearway-viewer.ts';
import { Child } from '../helpers/child.ts';
import { ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { peers } from '../helpers/peers.ts';
import { Site } from '../helpers/site.ts';
import { ViewerPage } from './viewer-page.ts';

const DEFAULT_GATEWAY = 'http://127.0.0.1:8080';
const DEFAULT_STYLE = 'gearway-viewer { width: 640px; aspect-ratio: 4 / 3 }';

/** An example of examples/python/ with the gateway and the page of its docstring, on other ports. */
export class PythonExample implements AsyncDisposable {
  readonly folder: string;
  readonly gateway: GatewayProcess;
  readonly program: Child;
  readonly view: ViewerPage;
  readonly #site: Site;

  private constructor(folder: string, gateway: GatewayProcess, program: Child, view: ViewerPage, site: Site) {
    this.folder = folder;
    this.gateway = gateway;
    this.program = program;
    this.view = view;
    this.#site = site;
  }

  /**
   * Runs the example, and waits until its page shows the first frame.
   *
   * @param style style sheet of a page for which the docstring has only elements.
   */
  static async open(browser: Browser, name: string, style = DEFAULT_STYLE): Promise<PythonExample> {
    const path = join(ROOT, 'examples/python', name);
    const [, description = ''] = /"""([\s\S]*?)"""/.exec(await readFile(path, 'utf8'))!;
    const options = /^Gateway: +npm start -- (.*)$/m.exec(description)![1]!;
    const written = /^Page: +([\s\S]*?)^Needs:/m.exec(description)![1]!.trim();
    const page = written.endsWith('.html')
      ? await readFile(join(ROOT, written), 'utf8')
      : `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1"><style>${style}</style>
        <script type="module" src="${DEFAULT_GATEWAY}/gearway-viewer.js"></script>
        <script type="module" src="${DEFAULT_GATEWAY}/gearway-devices.js"></script>${written}`;
    const [port] = (await freePorts(1)) as [number];
    let gatewayUrl = '';
    const site = await Site.serve(() => page.replaceAll(DEFAULT_GATEWAY, gatewayUrl));
    const gateway = await GatewayProcess.start(
      ...options.replaceAll('"', '').replace('5555', String(port)).split(' '),
      '--allow-origin',
      site.origin,
    );
    gatewayUrl = await gateway.url;
    const folder = await mkdtemp(join(tmpdir(), 'gearway-example-'));
    const program = new Child(peers().python, ['-u', path, String(port)], {
      cwd: folder,
      env: { ...process.env, PYTHONWARNINGS: 'ignore' },
    });
    const view = await ViewerPage.open(browser, site.origin);
    await view.page.setViewport({ width: 1280, height: 800 });
    const example = new PythonExample(folder, gateway, program, view, site);
    await view.becomes('live');
    return example;
  }

  /** The frame on screen as it was received, with its message. */
  async frame<Message>(): Promise<{ message: Message; bytes: Buffer }> {
    const { message, base64 } = await this.view.page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      let snapshot = await viewer.snapshot('received');
      // A viewer is live when the frames begin, before the first one is on the screen.
      for (; snapshot === null; snapshot = await viewer.snapshot('received')) await new Promise(requestAnimationFrame);
      const bytes = new Uint8Array(await snapshot.blob.arrayBuffer());
      let text = '';
      for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
      return { message: snapshot.message, base64: btoa(text) };
    });
    return { message: message as Message, bytes: Buffer.from(base64, 'base64') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.view[Symbol.asyncDispose]();
    await this.program[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
    await this.#site[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true });
  }
}

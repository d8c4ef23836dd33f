import type { Browser, Page } from 'puppeteer-core';
import type { GearwayViewer } from '../../web/gearway-viewer.ts';
import type { GatewayProcess } from '../helpers/gateway-process.ts';

const FIND = "document.querySelector('gearway-viewer')";

/** A page with one viewer, in a window and a profile of its own; closed with its profile. */
export class ViewerPage implements AsyncDisposable {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** @param prepare runs in the page before any of its scripts. */
  static async open(browser: Browser, url: string, prepare?: () => void): Promise<ViewerPage> {
    const context = await browser.createBrowserContext();
    const page = await context.newPage({ type: 'window' });
    if (prepare !== undefined) await page.evaluateOnNewDocument(prepare);
    await page.goto(url);
    return new ViewerPage(page);
  }

  /** The bare viewer page of a gateway. */
  static async ofGateway(browser: Browser, gateway: GatewayProcess, query = '?stream=main', prepare?: () => void): Promise<ViewerPage> {
    return ViewerPage.open(browser, `${await gateway.url}/viewer${query}`, prepare);
  }

  get state(): Promise<string> {
    return this.#read('state');
  }

  get reason(): Promise<string> {
    return this.#read('reason');
  }

  get port(): Promise<number | null> {
    return this.#read('port');
  }

  get place(): Promise<'worker' | 'main' | null> {
    return this.#read('place');
  }

  get stats(): Promise<GearwayViewer['stats']> {
    return this.#read('stats');
  }

  async becomes(state: string): Promise<void> {
    await this.where(`viewer.state === '${state}'`);
  }

  /** Waits until an expression over `viewer` is true. */
  async where(expression: string): Promise<void> {
    try {
      await this.page.waitForFunction(`((viewer) => ${expression})(${FIND})`);
    } catch (error) {
      throw new Error(`${expression} did not come true; the viewer is ${await this.state}, ${await this.reason}`, { cause: error });
    }
  }

  async returnData(value: unknown): Promise<void> {
    await this.page.evaluate((data) => {
      document.querySelector<GearwayViewer>('gearway-viewer')!.returnData = data as string;
    }, value);
  }

  /** The number in the picture and the one in the message that came with it, from one snapshot. */
  async numbers(): Promise<{ picture: number; message: number } | null> {
    return this.page.evaluate(async () => {
      const snapshot = await document.querySelector<GearwayViewer>('gearway-viewer')!.snapshot();
      if (snapshot === null) return null;
      const bitmap = await createImageBitmap(snapshot.blob);
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
      context.drawImage(bitmap, 0, 0);
      let picture = 0;
      for (let bit = 0; bit < 24; bit += 1) picture = picture * 2 + (context.getImageData(bit * 16 + 8, 8, 1, 1).data[0]! > 127 ? 1 : 0);
      return { picture, message: (snapshot.message as { n: number }).n };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.browserContext().close();
  }

  #read<T>(name: keyof GearwayViewer): Promise<T> {
    return this.page.evaluate(`${FIND}.${name}`) as Promise<T>;
  }
}

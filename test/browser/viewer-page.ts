import type { Browser } from 'puppeteer-core';
import type { GearwayViewer } from '../../web/viewer/gearway-viewer.ts';
import { ElementPage } from './element-page.ts';
import { openTab, openWindow } from '../helpers/windows.ts';

/** A page with one viewer. */
export class ViewerPage extends ElementPage<GearwayViewer> {
  /** @param prepare runs in the page before any of its scripts. */
  static async open(browser: Browser, url: string, prepare?: () => void): Promise<ViewerPage> {
    const page = await openWindow(browser, url, prepare);
    // The page may wait for the gateway's answer before it adds the viewer.
    await page.waitForSelector('gearway-viewer');
    return new ViewerPage(page, 'gearway-viewer');
  }

  /** Opened in a window with tabs. */
  static async openInTab(browser: Browser, url: string): Promise<ViewerPage> {
    const page = await openTab(browser, url);
    await page.waitForSelector('gearway-viewer');
    return new ViewerPage(page, 'gearway-viewer');
  }

  /** The bare viewer page of a gateway. */
  static async ofGateway(
    browser: Browser,
    gateway: { readonly url: string | Promise<string> },
    query = '?stream=main',
    prepare?: () => void,
  ): Promise<ViewerPage> {
    return ViewerPage.open(browser, `${await gateway.url}/viewer${query}`, prepare);
  }

  get port(): Promise<number | null> {
    return this.read('port');
  }

  async returnData(value: unknown): Promise<void> {
    await this.page.evaluate((data) => {
      document.querySelector<GearwayViewer>('gearway-viewer')!.returnData = data as string;
    }, value);
  }

  /**
   * The number in the picture and the one in its message, if any, from one snapshot.
   * @param sourceWidth of a source whose pictures may arrive smaller, in pixels.
   */
  async numbers(sourceWidth?: number): Promise<{ picture: number; message: number | null } | null> {
    return this.page.evaluate(async (sourcePixels) => {
      const snapshot = await document.querySelector<GearwayViewer>('gearway-viewer')!.snapshot();
      if (snapshot === null) return null;
      const bitmap = await createImageBitmap(snapshot.blob);
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
      context.drawImage(bitmap, 0, 0);
      const scale = bitmap.width / (sourcePixels ?? bitmap.width);
      let picture = 0;
      for (let bit = 0; bit < 24; bit += 1)
        picture = picture * 2 + (context.getImageData((bit * 16 + 8) * scale, 8 * scale, 1, 1).data[0]! > 127 ? 1 : 0);
      return { picture, message: (snapshot.message as { n: number } | null)?.n ?? null };
    }, sourceWidth);
  }
}

import type { Browser } from 'puppeteer-core';
import type { Value } from '../../shared/protocol.ts';
import type { GearwayPublisher } from '../../web/publisher/gearway-publisher.ts';
import { ElementPage } from './element-page.ts';
import { openWindow } from '../helpers/windows.ts';

/** A page with one publisher. */
export class PublisherPage extends ElementPage<GearwayPublisher> {
  /** @param prepare runs in the page before any of its scripts. */
  static async open(browser: Browser, url: string, prepare?: () => void): Promise<PublisherPage> {
    return new PublisherPage(await openWindow(browser, url, prepare), 'gearway-publisher');
  }

  /** Settles when the page has found out that the stream accepts publishers. */
  async hasTarget(): Promise<void> {
    await this.where("element.src !== ''");
  }

  get code(): Promise<GearwayPublisher['code']> {
    return this.read('code');
  }

  async set<Name extends 'src' | 'size' | 'fps' | 'quality' | 'maxBitrate' | 'fixed' | 'input'>(
    name: Name,
    value: GearwayPublisher[Name],
  ): Promise<void> {
    await this.page.evaluate(
      (property, wanted) => Object.assign(document.querySelector('gearway-publisher')!, { [property]: wanted }),
      name,
      value,
    );
  }

  async setMessage(message: Value): Promise<void> {
    await this.page.evaluate(
      (wanted) => (document.querySelector('gearway-publisher')!.message = wanted as Value),
      message as unknown,
    );
  }

  /** Presses the first button of the element with this accessible name. */
  async press(name: string): Promise<void> {
    const button = await this.page.waitForSelector(`gearway-publisher >>> ::-p-aria([name="${name}"][role="button"])`);
    await button!.click();
  }

  /** The text of the element's notice; empty for none. */
  notice(): Promise<string> {
    return this.page.$eval('gearway-publisher', (element) =>
      element.shadowRoot!.querySelector<HTMLElement>('.notice')!.innerText.replaceAll(/\s+/g, ' ').trim(),
    );
  }

  /** The text of the status chip. */
  status(): Promise<string> {
    return this.page.$eval('gearway-publisher', (element) =>
      element.shadowRoot!.querySelector<HTMLElement>('.chip')!.innerText.replaceAll(/\s+/g, ' ').trim(),
    );
  }

  /** The tracks of the open camera. */
  tracks(): Promise<readonly string[]> {
    return this.page.$eval('gearway-publisher', (element) => {
      const stream = element.shadowRoot!.querySelector('video')!.srcObject;
      return stream instanceof MediaStream ? stream.getTracks().map(({ readyState }) => readyState) : [];
    });
  }
}

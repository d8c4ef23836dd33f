import type { Page } from 'puppeteer-core';
import { closeWindow } from '../helpers/windows.ts';

/** A page with one of our elements, in a separate window and profile; closed with its profile. */
export abstract class ElementPage<
  Element extends {
    readonly state: string;
    readonly reason: string;
    readonly place: 'worker' | 'main' | null;
    readonly stats: unknown;
  },
> implements AsyncDisposable {
  readonly page: Page;
  readonly #tag: string;

  protected constructor(page: Page, tag: string) {
    this.page = page;
    this.#tag = tag;
  }

  get state(): Promise<string> {
    return this.read('state');
  }

  get reason(): Promise<string> {
    return this.read('reason');
  }

  get place(): Promise<'worker' | 'main' | null> {
    return this.read('place');
  }

  get stats(): Promise<Element['stats']> {
    return this.read('stats');
  }

  async becomes(state: string): Promise<void> {
    await this.where(`element.state === '${state}'`);
  }

  /** Waits until an expression over `element` is true. */
  async where(expression: string): Promise<void> {
    try {
      await this.page.waitForFunction(
        `((element) => element !== null && (${expression}))(document.querySelector('${this.#tag}'))`,
      );
    } catch (error) {
      throw new Error(`${expression} did not become true; the element is ${await this.state}, ${await this.reason}`, {
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeWindow(this.page);
  }

  read<Name extends keyof Element & string>(name: Name): Promise<Element[Name]> {
    return this.page.evaluate(`document.querySelector('${this.#tag}').${name}`) as Promise<Element[Name]>;
  }
}

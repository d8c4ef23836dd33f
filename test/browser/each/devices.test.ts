import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { Value } from '../../../shared/protocol.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { closeWindow, openWindow } from '../../helpers/windows.ts';
import { violations } from '../accessibility.ts';

const SCHEMA = {
  title: 'Run settings',
  description: 'Apply to the next run',
  type: 'object',
  required: ['name', 'speed'],
  properties: {
    name: { type: 'string', title: 'Name', description: 'Of the run' },
    speed: { type: 'number', title: 'Speed', minimum: 0, maximum: 1, default: 0.5 },
    lights: { type: 'boolean', title: 'Lights' },
    mode: { enum: ['slow', 2], title: 'Mode', default: 'slow' },
    arm: { type: 'object', title: 'Arm', properties: { angle: { type: 'integer', title: 'Angle' } } },
    path: { type: 'array', title: 'Path' },
  },
} satisfies Value;

describe('devices', () => {
  let browser: Browser;
  let gateway: Gateway;
  let url: string;
  let source: NodeJS.Timeout;
  let message: Value;
  let page: Page;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
    gateway = await createGateway({ port: 0, source: 'push:' });
    ({ url } = await gateway.listen());
    const picture = await encodeJpeg({ data: new Uint8Array(64 * 48 * 3), width: 64, height: 48, channels: 3 });
    source = setInterval(() => gateway.stream.push(picture, { message }), 50);
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });
  beforeEach(() => {
    message = {};
  });

  const open = async (devices: string): Promise<void> => {
    if (page !== undefined) await closeWindow(page);
    page = await openWindow(browser, `${url}viewer?stream=main&bare`);
    await page.evaluate((html) => {
      const box = document.createElement('section');
      box.style.cssText =
        'position: fixed; inset: 0 auto auto 0; z-index: 1; width: 320px; padding: 8px; background: #fff; color: #111';
      box.innerHTML = html;
      document.body.append(box);
    }, devices);
    await page.addScriptTag({ url: `${url}gearway-devices.js`, type: 'module' });
    await page.waitForFunction("document.querySelector('gearway-viewer').state === 'live'");
  };
  /** Return data of the only viewer, as the server would get it. */
  const value = (): unknown => gateway.stream.status().clients[0]?.returnData ?? null;
  const becomes = (expected: object): Promise<void> => expect.poll(value).toMatchObject(expected);
  const centre = async (selector: string): Promise<{ x: number; y: number }> => {
    const { x, y, width, height } = (await (await page.$(selector))!.boundingBox())!;
    return { x: x + width / 2, y: y + height / 2 };
  };
  const status = (): Promise<string> =>
    page.$eval('gearway-form', (form) => form.shadowRoot!.querySelector('[part=status]')!.textContent);

  it('return values by mouse and keyboard, and neutral values when they are released', async () => {
    await open(`<gearway-button name="horn">Horn</gearway-button>
      <gearway-slider name="speed" min="0" max="1" initial="0.25">Speed</gearway-slider>
      <gearway-joystick name="stick"></gearway-joystick>
      <gearway-keys name="keys"></gearway-keys>`);
    await becomes({ horn: false, speed: 0.25, stick: { x: 0, y: 0 }, keys: { x: 0, y: 0 } });
    const stick = await centre('gearway-joystick');
    await page.mouse.move(stick.x, stick.y);
    await page.mouse.down();
    await page.mouse.move(stick.x + 36, stick.y - 36);
    // WebDriver rounds positions to whole pixels.
    await becomes({ stick: { x: expect.closeTo(0.5, 1), y: expect.closeTo(0.5, 1) } });
    await page.mouse.up();
    await becomes({ stick: { x: 0, y: 0 } });
    const horn = await centre('gearway-button');
    await page.mouse.move(horn.x, horn.y);
    await page.mouse.down();
    await becomes({ horn: true });
    await page.mouse.up();
    await becomes({ horn: false });
    await page.evaluate(() => document.querySelector('gearway-slider')!.shadowRoot!.querySelector('input')!.focus());
    await page.keyboard.press('End');
    await becomes({ speed: 1 });
    await page.keyboard.down('w');
    await becomes({ keys: { x: 0, y: 1 } });
    await page.keyboard.up('w');
    await becomes({ keys: { x: 0, y: 0 } });
  });

  it('stop, and wait for the confirmations of the server', async () => {
    await open('<gearway-button name="horn">Horn</gearway-button><gearway-stop></gearway-stop>');
    await becomes({ horn: false });
    const state = (): Promise<string> => page.evaluate(() => document.querySelector('gearway-stop')!.state);
    const stop = await centre('gearway-stop >>> .stop');
    await page.mouse.click(stop.x, stop.y);
    await becomes({ stop: true });
    message = { stop: true };
    await expect.poll(state).toBe('stopped');
    const reset = await centre('gearway-stop >>> .reset');
    await page.mouse.click(reset.x, reset.y);
    await becomes({ stop: false });
    message = { stop: false };
    await expect.poll(state).toBe('ready');
  });

  it('have a form with the schema in the message, typed values and readable problems', async () => {
    message = { forms: { settings: SCHEMA } };
    await open('<gearway-form name="settings"></gearway-form>');
    await becomes({ settings: null });
    await page.waitForFunction(
      () => document.querySelector('gearway-form')!.shadowRoot!.querySelector('form') !== null,
    );
    // Uses only the keyboard: focuses the first field, which stays empty, and presses Enter.
    await page.evaluate(() => document.querySelector('gearway-form')!.shadowRoot!.querySelector('input')!.focus());
    await page.keyboard.press('Enter');
    await expect.poll(status).toBe('Not sent: correct the marked fields');
    const text = await page.evaluate(() => {
      const root = document.querySelector('gearway-form')!.shadowRoot!;
      return { text: root.querySelector('form')!.textContent.replaceAll(/\s+/g, ' '), focused: root.activeElement?.id };
    });
    expect(text).toEqual({ text: expect.stringContaining('Enter text'), focused: 'field-0' });
    expect(text.text).toContain('Run settings Apply to the next run Name Of the run');
    expect(text.text).toContain('Path cannot be shown: its type is array');
    expect(await violations(page, 'section')).toEqual([]);
    await page.keyboard.type('first');
    await page.keyboard.press('Tab');
    await page.keyboard.type('0.25');
    await page.keyboard.press('Tab');
    await page.keyboard.press(' ');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.type('-90');
    await page.keyboard.press('Enter');
    await becomes({ settings: { name: 'first', speed: 0.25, lights: true, mode: 2, arm: { angle: -90 } } });
    // Another schema: fields that are in both schemas keep the entered values and the focus.
    const { path: _path, ...properties } = SCHEMA.properties;
    message = { forms: { settings: { ...SCHEMA, properties: { ...properties, speed: { type: 'number' } } } } };
    const entered = (): Promise<unknown> =>
      page.evaluate(() => {
        const root = document.querySelector('gearway-form')!.shadowRoot!;
        return [...[...root.querySelectorAll('input')].map((input) => input.value), root.activeElement?.id ?? ''];
      });
    await expect.poll(entered).toEqual(['first', '', 'on', '-90', 'field-5']);
    await page.evaluate(() => document.querySelector('gearway-form')!.clear());
    await becomes({ settings: null });
  });

  it('have a form with the schema of the page, whose value the server gets once', async () => {
    const returned: unknown[] = [];
    await open(`<gearway-slider name="speed" initial="0.5">Speed</gearway-slider>
      <gearway-form name="command" once schema='{ "type": "object", "properties": { "go": { "type": "string" } } }'>Command</gearway-form>`);
    await becomes({ speed: 0.5, command: null });
    const reader = (async () => {
      for await (const { data } of gateway.stream.returns()) {
        returned.push(data);
        if (returned.length === 2) break;
      }
    })();
    for (const word of ['home', 'home']) {
      await page.evaluate((entered) => {
        const root = document.querySelector('gearway-form')!.shadowRoot!;
        root.querySelector('input')!.value = entered;
        root.querySelector('button')!.click();
      }, word);
      await expect.poll(status).toBe('Received');
    }
    await reader;
    expect(returned).toEqual([
      { speed: 0.5, command: { go: 'home' } },
      { speed: 0.5, command: { go: 'home' } },
    ]);
    expect(value()).toEqual({ speed: 0.5, command: null });
    await page.evaluate(() => (document.querySelector('gearway-form')!.schema = '{ "type": '));
    await expect.poll(status).toMatch(/^No form: /);
  });
});

import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';
import { violations } from './accessibility.ts';

describe('devices', () => {
  let browser: Browser;
  let gateway: Gateway;
  let url: string;
  let source: NodeJS.Timeout;
  let stop: boolean | null = null;
  let isSilent = false;
  let page: Page;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
    gateway = await createGateway({ port: 0, source: 'push:' });
    ({ url } = await gateway.listen());
    const picture = await encodeJpeg({ data: new Uint8Array(64 * 48 * 3), width: 64, height: 48, channels: 3 });
    source = setInterval(() => {
      if (!isSilent) gateway.stream.push(picture, { message: { stop } });
    }, 50);
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });
  beforeEach(async () => {
    stop = null;
    isSilent = false;
    if (page !== undefined) await closeWindow(page);
    page = await openWindow(browser, `${url}viewer?stream=main&bare`);
    await page.evaluate(() => {
      const box = document.createElement('section');
      box.style.cssText =
        'position: fixed; inset: 0 auto auto 0; z-index: 1; padding: 8px; background: #fff; color: #111';
      box.innerHTML = `
        <gearway-button name="horn">Horn</gearway-button>
        <gearway-slider name="speed" min="0" max="1" initial="0.25">Speed</gearway-slider>
        <gearway-joystick name="stick"></gearway-joystick>
        <gearway-stop></gearway-stop>`;
      document.body.append(box);
    });
    await page.addScriptTag({ url: `${url}gearway-devices.js`, type: 'module' });
    await page.waitForFunction("document.querySelector('gearway-viewer').state === 'live'");
  });

  /** Return data of the only viewer, as the server would get it. */
  const value = (): Record<string, unknown> | null => {
    const [client] = gateway.stream.status().clients;
    return (client?.returnData ?? null) as Record<string, unknown> | null;
  };
  const centre = async (selector: string): Promise<{ x: number; y: number }> => {
    const { x, y, width, height } = (await (await page.$(selector))!.boundingBox())!;
    return { x: x + width / 2, y: y + height / 2 };
  };
  const becomes = (expected: Record<string, unknown>): Promise<void> => expect.poll(value).toMatchObject(expected);

  it('return one value by name, which is neutral at first', async () => {
    await becomes({ horn: false, speed: 0.25, stick: { x: 0, y: 0 } });
  });

  it('join a viewer that is added after them', async () => {
    await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement('gearway-button'), { name: 'late', viewer: 'late' }));
    });
    await page.evaluate(() => {
      const { src } = document.querySelector('gearway-viewer')!;
      document.body.append(Object.assign(document.createElement('gearway-viewer'), { id: 'late', src }));
    });
    await expect
      .poll(() => gateway.stream.status().clients.map(({ returnData }) => returnData))
      .toContainEqual({ late: false });
  });

  it('return their values while they are in use, and their neutral values when they are released', async () => {
    const horn = await centre('gearway-button');
    await page.mouse.move(horn.x, horn.y);
    await page.mouse.down();
    await becomes({ horn: true });
    await page.mouse.up();
    await becomes({ horn: false });
    const stick = await centre('gearway-joystick');
    await page.mouse.move(stick.x, stick.y);
    await page.mouse.down();
    await page.mouse.move(stick.x + 36, stick.y - 36);
    await becomes({ stick: { x: 0.5, y: 0.5 } });
    await page.mouse.up();
    await becomes({ stick: { x: 0, y: 0 } });
  });

  it('can be used by keyboard', async () => {
    await page.focus('gearway-joystick >>> .pad');
    await page.keyboard.down('ArrowUp');
    await becomes({ stick: { x: 0, y: 1 } });
    await page.keyboard.up('ArrowUp');
    await becomes({ stick: { x: 0, y: 0 } });
    await page.focus('gearway-slider >>> input');
    await page.keyboard.press('End');
    await becomes({ speed: 1 });
  });

  it('stop, and can be used again only after the server has confirmed stop and reset', async () => {
    const button = await centre('gearway-stop >>> .stop');
    const state = (): Promise<string> => page.evaluate(() => document.querySelector('gearway-stop')!.state);
    await page.mouse.click(button.x, button.y);
    await becomes({ stop: true, horn: false });
    expect(await state()).toBe('stopping');
    const horn = await centre('gearway-button');
    await page.mouse.move(horn.x, horn.y);
    await page.mouse.down();
    expect(await page.evaluate(() => document.querySelector('gearway-button')!.value)).toBe(false);
    await page.mouse.up();
    stop = true;
    await expect.poll(state).toBe('stopped');
    // A second press does not reset the stop.
    await page.mouse.click(button.x, button.y);
    await expect.poll(state).toBe('stopped');
    const reset = await centre('gearway-stop >>> .reset');
    await page.mouse.click(reset.x, reset.y);
    await becomes({ stop: false });
    expect(await state()).toBe('clearing');
    stop = false;
    await expect.poll(state).toBe('ready');
    await page.mouse.move(horn.x, horn.y);
    await page.mouse.down();
    await becomes({ horn: true });
    await page.mouse.up();
  });

  it('have a stop that can be pressed while a picture fills the screen, while a dialog is open, and above later dialogs', async () => {
    /** Presses at the position of the stop, and resets. */
    const press = async (): Promise<void> => {
      const { x, y } = await page.evaluate(() => {
        const button = document.querySelector(':modal gearway-stop') ?? document.querySelector('gearway-stop')!;
        const shown = button.shadowRoot!.querySelector('.stop')!;
        const { left, top, width, height } = shown.getBoundingClientRect();
        return { x: left + width / 2, y: top + height / 2 };
      });
      await page.mouse.click(x, y);
      await becomes({ stop: true });
      stop = true;
      const state = (): Promise<string> => page.evaluate(() => document.querySelector('gearway-stop')!.state);
      await expect.poll(state).toBe('stopped');
      await page.evaluate(() => document.querySelector('gearway-stop')!.clear());
      stop = false;
      await expect.poll(state).toBe('ready');
    };
    const stops = (): Promise<number> => page.evaluate(() => document.querySelectorAll('gearway-stop').length);
    await press();
    await page.evaluate(() => document.querySelector('gearway-viewer')!.requestFullscreen());
    await expect.poll(stops).toBe(2);
    await press();
    await page.evaluate(() => document.exitFullscreen());
    await expect.poll(stops).toBe(1);
    await page.evaluate(() => {
      const dialog = document.createElement('dialog');
      dialog.textContent = 'Question';
      document.body.append(dialog);
      dialog.showModal();
    });
    await expect.poll(stops).toBe(2);
    await press();
    await page.evaluate(() => document.querySelector('dialog')!.close());
    await expect.poll(stops).toBe(1);
    await page.evaluate(() => {
      const menu = document.createElement('div');
      menu.popover = 'manual';
      menu.style.cssText = 'inset: 0; width: 100%; height: 100%';
      document.body.append(menu);
      menu.showPopover();
    });
    await page.evaluate(() => new Promise(requestAnimationFrame));
    await press();
  });

  it('are released, and cannot be used while no picture arrives within the limit', async () => {
    const isUsable = (): Promise<boolean> => page.evaluate(() => document.querySelector('gearway-button')!.isUsable);
    await page.evaluate(() => {
      const latency = document.createElement('gearway-latency');
      latency.maxLatency = 1000;
      // As narrow as the console's column.
      latency.style.width = '308px';
      document.body.append(latency);
    });
    const height = (): Promise<number> => page.$eval('gearway-latency', ({ clientHeight }) => clientHeight);
    const warning = (): Promise<string> =>
      page.evaluate(() => document.querySelector('gearway-latency')!.shadowRoot!.querySelector('.late')!.textContent);
    await expect.poll(isUsable).toBe(false);
    await expect.poll(isUsable, { timeout: 10_000 }).toBe(true);
    // The last picture is not too old, but no longer live.
    await page.evaluate(() => {
      document.querySelector('gearway-latency')!.maxLatency = 20_000;
      document.querySelector('gearway-viewer')!.pause();
    });
    await expect.poll(isUsable).toBe(false);
    await expect.poll(warning).toBe('No picture');
    await page.evaluate(() => {
      document.querySelector('gearway-latency')!.maxLatency = 1000;
      document.querySelector('gearway-viewer')!.resume();
    });
    await expect.poll(isUsable, { timeout: 10_000 }).toBe(true);
    const usableHeight = await height();
    const horn = await centre('gearway-button');
    await page.mouse.move(horn.x, horn.y);
    await page.mouse.down();
    await becomes({ horn: true });
    isSilent = true;
    await becomes({ horn: false });
    // If the page was late, the gateway has already ended the value.
    await expect.poll(isUsable).toBe(false);
    await expect.poll(warning).toBe('Too late to control');
    expect(await page.evaluate(() => document.querySelector('gearway-latency')!.matches(':state(late)'))).toBe(true);
    // The devices below have not moved.
    expect(await height()).toBe(usableHeight);
    await page.mouse.up();
    isSilent = false;
    await expect.poll(isUsable, { timeout: 10_000 }).toBe(true);
  });

  it('cannot be used by a viewer without a port', async () => {
    await page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.spectate = true;
    });
    await page.waitForFunction("document.querySelector('gearway-viewer').state === 'live'");
    await expect.poll(() => page.evaluate(() => document.querySelector('gearway-button')!.isUsable)).toBe(false);
  });

  it('have no accessibility violations found by axe', async () => {
    expect(await violations(page, 'section')).toEqual([]);
  });
});

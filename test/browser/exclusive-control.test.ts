import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { violations } from './accessibility.ts';
import { type DrivenServer, type DriveReport, holdW, startDrivenServer } from './driven-server.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';

/** Polls at intervals instead of per animation frame, because covered windows may have none. */
const POLLING = { polling: 100 };

describe('exclusive control', () => {
  let driven: DrivenServer;
  beforeAll(async () => {
    driven = await startDrivenServer('--control', 'exclusive');
  });
  afterAll(async () => driven[Symbol.asyncDispose]());

  /** A viewer with keys, an emergency stop and the control element, in a separate window. */
  const open = async (name: string): Promise<Page> => {
    const url = await driven.gateway.url;
    const page = await openWindow(driven.browser, `${url}/viewer?stream=main&bare&name=${name}`);
    await page.evaluate(() => {
      const box = document.createElement('section');
      box.style.cssText = 'position: fixed; inset: 0 auto auto 0; z-index: 1; background: #fff; color: #111';
      box.innerHTML =
        '<gearway-control></gearway-control><gearway-keys name="drive"></gearway-keys><gearway-stop inline></gearway-stop>';
      document.body.append(box);
    });
    await page.addScriptTag({ url: `${url}/gearway-devices.js`, type: 'module' });
    await page.waitForFunction(() => document.querySelector('gearway-viewer')!.state === 'live', POLLING);
    return page;
  };
  const portOf = (page: Page): Promise<string> =>
    page.evaluate(() => String(document.querySelector('gearway-viewer')!.port));
  /** Waits until the control element shows this text. */
  const shows = async (page: Page, words: string): Promise<void> => {
    await page.waitForFunction(
      (wanted) => document.querySelector('gearway-control')?.shadowRoot?.textContent?.includes(wanted),
      POLLING,
      words,
    );
  };
  const press = async (page: Page, part: string): Promise<void> => {
    await page.bringToFront();
    await page.click(`gearway-control >>> [part=${part}]`);
  };
  const isUsable = (page: Page): Promise<boolean> =>
    page.evaluate(() => document.querySelector('gearway-keys')!.isUsable);
  /** Holds W down as soon as the keys can be used. */
  const drive = async (page: Page): Promise<void> => {
    await page.bringToFront();
    await page.waitForFunction(() => document.querySelector('gearway-keys')!.isUsable, POLLING);
    await holdW(page);
  };
  const drives =
    (port: string) =>
    ({ data }: DriveReport): boolean =>
      data?.[port]?.drive?.y === 1;

  it('is handed over between three viewers, even after the driver has crashed, and the server sees only the holder', async () => {
    const [desk, lab, yard] = [await open('front-desk'), await open('lab'), await open('yard')];
    const [deskPort, labPort, yardPort] = [await portOf(desk), await portOf(lab), await portOf(yard)];
    for (const page of [desk, lab, yard]) {
      await shows(page, 'Nobody has control');
      expect(await isUsable(page)).toBe(false);
    }

    await press(desk, 'action');
    await shows(desk, 'You have control');
    for (const page of [lab, yard]) await shows(page, `front-desk (${deskPort}) has control`);
    expect(await lab.evaluate(() => document.querySelector('gearway-viewer')!.shadowRoot!.textContent)).toContain(
      `Controlled by front-desk (${deskPort})`,
    );
    await drive(desk);
    await driven.server.waitFor<DriveReport>('returned', drives(deskPort));
    const { refused = 0 } = (await driven.gateway.status()).control ?? {};
    const refusal = await yard.evaluate(() =>
      document
        .querySelector('gearway-viewer')!
        .setReturnData({ drive: { x: 0, y: -1 } })
        .then(
          () => 'accepted',
          (error: unknown) => (error as { code: string }).code,
        ),
    );
    expect(refusal).toBe('no-control');
    expect((await driven.gateway.status()).control).toMatchObject({ name: 'front-desk', refused: refused + 1 });

    await press(lab, 'action');
    await shows(lab, 'your request is pending');
    await shows(desk, `Request: lab (${labPort})`);
    await press(desk, 'grant');
    await shows(lab, 'You have control');
    expect(await isUsable(desk)).toBe(false);
    await drive(lab);
    await driven.server.waitFor<DriveReport>('returned', drives(labPort));
    // Its keys are still repeated, but it no longer has control.
    expect((await driven.gateway.status()).control).toMatchObject({ port: Number(labPort), name: 'lab' });

    const crashedAt = Date.now() / 1000;
    // This request is never answered.
    void (await lab.createCDPSession()).send('Page.crash').catch(() => undefined);
    await shows(yard, 'Nobody has control');
    const ended = await driven.server.waitFor<DriveReport>(
      'returned',
      (report) => report.t >= crashedAt && !drives(labPort)(report),
    );
    expect(ended.t - crashedAt).toBeLessThan(1);
    await press(yard, 'action');
    await shows(desk, `yard (${yardPort}) has control`);
    await drive(yard);
    await driven.server.waitFor<DriveReport>('returned', drives(yardPort));

    // Any viewer may stop, and the holder of control continues.
    await desk.bringToFront();
    await desk.click('gearway-stop >>> .stop');
    const stopped = await driven.server.waitFor<DriveReport>('returned', ({ data }) => data?.[deskPort]?.stop === true);
    expect(stopped.data?.[deskPort]).toEqual({ stop: true });

    const used = driven.server
      .events<DriveReport>('returned')
      .map(({ data }) => Object.entries(data ?? {}).filter(([, value]) => value !== null && value.stop !== true));
    expect(used.every((entries) => entries.length <= 1)).toBe(true);
    expect(used.flat().every(([, value]) => value?.drive?.y !== -1)).toBe(true);
    await Promise.all([desk, lab, yard].map((page) => closeWindow(page)));
  });

  it('reports a refused request to its viewer, withdraws a request, and has no accessibility violations', async () => {
    const [desk, lab] = [await open('front-desk'), await open('lab-with-a-long-name-that-does-not-fit-on-a-phone')];
    await shows(desk, 'Nobody has control');
    await press(desk, 'action');
    await shows(lab, 'front-desk');
    await press(lab, 'action');
    await shows(desk, 'Request: lab');
    // Checks a column that is as wide as its content, and a narrow screen.
    const overflow = await desk.evaluate(() => {
      const section = document.querySelector('section')!;
      section.style.cssText += '; display: grid; width: 300px; box-sizing: border-box';
      const refuse = document.querySelector('gearway-control')!.shadowRoot!.querySelector('[part=refuse]')!;
      return refuse.getBoundingClientRect().right - section.getBoundingClientRect().right;
    });
    expect(overflow).toBeLessThanOrEqual(0);
    expect(await violations(desk, 'section')).toEqual([]);
    await press(desk, 'refuse');
    await shows(lab, 'refused to hand over control');
    await press(lab, 'action');
    await shows(lab, 'Withdraw request');
    await press(lab, 'action');
    await shows(lab, 'Request control');
    await press(desk, 'action');
    await shows(lab, 'Nobody has control');
    await Promise.all([desk, lab].map((page) => closeWindow(page)));
  });
});

import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { sharedBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { CASES, comparePictures } from '../numpy-pictures.ts';

describe('arrays of a real NetGear server, drawn by the CPU', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each(CASES)(
    'have the pixels that NumPy computes, %s: in the viewer, as PNG and as MJPEG',
    async (_name, isMain, arrays, styles) => {
      await comparePictures(browser, { arrays, styles, isMain, renderer: 'cpu' });
    },
  );
});

import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { sharedBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { ARRAYS, COLOR_ARRAYS, COLOR_STYLES, comparePictures, STYLES } from '../numpy-pictures.ts';

describe('arrays of a real NetGear server, drawn by the CPU', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each([
    ['in the worker, integers', false, ARRAYS.slice(0, 6), STYLES],
    ['in the worker, floats and others', false, ARRAYS.slice(6), STYLES],
    ['in the worker, colours', false, COLOR_ARRAYS, COLOR_STYLES],
    ['on the main thread', true, ARRAYS.slice(5, 8), STYLES.slice(0, 3)],
  ] as const)(
    'have the pixels that NumPy computes, %s: in the viewer, as PNG and as MJPEG',
    async (_name, isMain, arrays, styles) => {
      await comparePictures(browser, { arrays, styles, isMain, renderer: 'cpu' });
    },
  );
});

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { blocks } from '../../helpers/example-lines.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { Site } from '../../helpers/site.ts';
import { openWindow } from '../../helpers/windows.ts';

const SOURCE = ['--source', 'door=test-pattern:?size=320x180&fps=15'];

/** The iframes of docs/deploy.md: Home Assistant creates one from its card, Grafana shows the one in the text. */
const FRAMES: readonly (readonly [string, string])[] = [
  ['Home Assistant', `<iframe src="${(parse(blocks('deploy.md', 'yaml')[0]!) as { url: string }).url}"></iframe>`],
  ['Grafana', blocks('deploy.md', 'html')[0]!],
];

describe('docs/deploy.md', () => {
  it.each(FRAMES)(
    'has a frame for %s that asks for the token, and is live in a page of another origin',
    async (_, frame) => {
      let url = '';
      await using site = await Site.serve(() => `<!doctype html><body>${frame.replace('https://NAME', url)}</body>`);
      await using gateway = await GatewayProcess.start(
        ...SOURCE,
        '--token',
        'secret',
        '--view-token',
        'look',
        '--allow-origin',
        site.origin,
      );
      url = await gateway.url;
      await using browser = await sharedBrowser('chromium');
      const page = await openWindow(browser, 'about:blank');
      await page.goto(site.origin);
      const content = await (await page.waitForSelector('iframe'))!.contentFrame();
      await (await content.waitForSelector('input[name="token"]', { visible: true }))!.type('look\n');
      await content.waitForFunction(() => document.querySelector<GearwayViewer>('gearway-viewer')?.state === 'live');
      expect(await content.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.controls)).toBe(
        false,
      );
    },
  );
});

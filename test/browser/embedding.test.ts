import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Site } from '../helpers/site.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { openWindow } from '../helpers/windows.ts';
import { PublisherPage } from './publisher-page.ts';

const docs = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** A page's first snippet, with the gateway's address in place of the usual one. */
async function pasted(name: string, gatewayUrl: string): Promise<string> {
  const [, snippet] = /```html\n([\s\S]*?)```/.exec(await docs(name))!;
  return `<!doctype html><meta charset="utf-8"><title>pasted</title>${snippet!.replaceAll('http://127.0.0.1:8080', gatewayUrl)}`;
}

describe('docs/embedding.md', () => {
  it('begins with a page that works as pasted', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => pasted('embedding.md', gatewayUrl));
    await using gateway = await LocalGateway.start('--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using browser = await sharedBrowser('chromium');
    const page = await openWindow(browser, 'about:blank');
    const errors: unknown[] = [];
    page.on('pageerror', (error) => errors.push(error));
    const logged = new Promise<string>((resolve) => page.on('console', (message) => resolve(message.text())));
    await page.goto(site.origin);
    expect(await logged).toMatch(/^\d+ /);
    await gateway.statusWhere(
      'the sticky value',
      ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0,
    );
    expect(errors).toEqual([]);
  });
});

describe('docs/phone-as-a-camera.md', () => {
  it('begins with a page that works as pasted', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => pasted('phone-as-a-camera.md', gatewayUrl));
    await using gateway = await LocalGateway.start('--source', 'push:', '--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, site.origin);
    const logged: string[] = [];
    publisher.page.on('console', (message) => logged.push(message.text()));
    await publisher.press('Start camera');
    await publisher.becomes('live');
    await using viewer = await WebViewer.open(`${gatewayUrl}/streams/main`);
    await expect.poll(() => viewer.messages.at(-1)).toEqual({ place: 'gate' });
    await viewer.return({ kind: 'value', value: 7 });
    await expect.poll(() => logged).toContain(`${(await viewer.welcome).port} 7`);
    expect(logged).toContain('live publishing to main');
  });
});

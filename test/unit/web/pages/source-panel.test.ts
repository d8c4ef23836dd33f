import { nothing } from 'lit';
import { describe, expect, it } from 'vitest';
import type { StreamHome, StreamStatus } from '../../../../shared/status.ts';
import { publishLink } from '../../../../web/pages/console/source-panel.ts';

describe('publishLink', () => {
  it.each<[what: string, gateway: StreamHome | null | undefined, href: string | null]>([
    ['without a cluster', undefined, 'publish?stream=my%20lab'],
    ['at this gateway', { name: 'A', url: 'http://a/', isHere: true }, 'publish?stream=my%20lab'],
    [
      'at another gateway',
      { name: 'B', url: 'https://b/cams/', isHere: false },
      'https://b/cams/publish?stream=my%20lab',
    ],
    ['at one whose address is unknown', { name: 'B', url: null, isHere: false }, null],
    ['at one with another address', { name: 'B', url: 'javascript:alert(1)', isHere: false }, null],
  ])('leads to the gateway that runs the source: %s', (_, gateway, href) => {
    const status = { name: 'my lab', ...(gateway === undefined ? {} : { gateway }) } as unknown as StreamStatus;
    const link = publishLink(status, 'link');
    expect(link === nothing ? null : link.values.at(-1)).toBe(href);
  });
});

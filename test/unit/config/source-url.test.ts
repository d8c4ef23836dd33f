import { describe, expect, it } from 'vitest';
import { parseSourceUrl, readFlag, readNumberOption, readSize, readWord } from '../../../gateway/config/source-url.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const KNOWN = ['fps', 'loop'];

describe('parseSourceUrl', () => {
  it.each<[string, string, Record<string, string>]>([
    ['kind:', '', {}],
    ['kind:?fps=5', '', { fps: '5' }],
    ['kind:/dev/video0', '/dev/video0', {}],
    ['kind:/a b/c;d\'"e.mp4?loop=true&fps=5', '/a b/c;d\'"e.mp4', { loop: 'true', fps: '5' }],
    ['kind:-rf.mp4?fps=5', '-rf.mp4', { fps: '5' }],
    ['kind:100%20.mp4', '100%20.mp4', {}],
    ['kind:what?.mp4?', 'what?.mp4', {}],
    ['kind:what?.mp4?fps=5', 'what?.mp4', { fps: '5' }],
    ['kind:rtsp://camera/s?channel=1&subtype=0', 'rtsp://camera/s?channel=1&subtype=0', {}],
    ['kind:rtsp://camera/s?channel=1?fps=5', 'rtsp://camera/s?channel=1', { fps: '5' }],
    ['kind:rtsp://camera/s?fps=5', 'rtsp://camera/s', { fps: '5' }],
    ['kind:x?fps=a%26b+c', 'x', { fps: 'a&b c' }],
  ])('parses %s', (url, target, options) => {
    expect(parseSourceUrl(url, KNOWN)).toEqual({ target, options: new Map(Object.entries(options)) });
  });

  it.each(['kind:x?size=5', 'kind:what?.mp4', 'kind:x?fps=5&fps=6', 'kind:rtsp://camera/s?channel=1&fps=5'])(
    'refuses %s',
    (url) => {
      expect(() => parseSourceUrl(url, KNOWN)).toThrow(coded('source-invalid'));
    },
  );

  it('refuses a URL that is too long, without quoting it', () => {
    expect(() => parseSourceUrl(`ffmpeg:http://a:secret@b/${'x'.repeat(8192)}`, [])).toThrow(
      /^the source URL has 82\d\d characters, expected at most 8192$/,
    );
  });
});

const options = (record: Record<string, string>): ReadonlyMap<string, string> => new Map(Object.entries(record));

describe('the readers of options', () => {
  const limits = { min: { width: 16, height: 8 }, max: { width: 640, height: 480 } };

  it('read a size', () => {
    expect(readSize(options({}), limits)).toBeNull();
    expect(readSize(options({ size: '16x8' }), limits)).toEqual({ width: 16, height: 8 });
    expect(readSize(options({ size: '640x480' }), limits)).toEqual({ width: 640, height: 480 });
    for (const size of ['', '15x8', '16x7', '641x480', '640x481', '640', '640x480x1', '-16x8', '16 x8', '1e2x100'])
      expect(() => readSize(options({ size }), limits), size).toThrow(coded('source-invalid'));
  });

  it('read a number', () => {
    expect(readNumberOption(options({}), 'fps', 0.1, 240)).toBeNull();
    expect(readNumberOption(options({ fps: '0.1' }), 'fps', 0.1, 240)).toBe(0.1);
    expect(readNumberOption(options({ fps: '240' }), 'fps', 0.1, 240)).toBe(240);
    expect(readNumberOption(options({ fps: '59.94' }), 'fps', 0.1, 240)).toBe(59.94);
    for (const fps of ['', '0.09', '240.1', '-1', '1e1', 'Infinity', '0x10', ' 5'])
      expect(() => readNumberOption(options({ fps }), 'fps', 0.1, 240), fps).toThrow(coded('source-invalid'));
  });

  it('read words and flags', () => {
    expect(readWord(options({}), 'pixels', ['gray'])).toBeNull();
    expect(readWord(options({ pixels: 'gray' }), 'pixels', ['bgr24', 'gray'])).toBe('gray');
    expect(() => readWord(options({ pixels: 'rgb' }), 'pixels', ['bgr24', 'gray'])).toThrow(coded('source-invalid'));
    expect([
      readFlag(options({}), 'loop'),
      readFlag(options({ loop: 'true' }), 'loop'),
      readFlag(options({ loop: 'false' }), 'loop'),
    ]).toEqual([false, true, false]);
    expect(() => readFlag(options({ loop: '1' }), 'loop')).toThrow(coded('source-invalid'));
  });
});

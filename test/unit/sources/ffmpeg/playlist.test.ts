import { describe, expect, it } from 'vitest';
import { formatConcatList } from '../../../../gateway/sources/ffmpeg/playlist.ts';

describe('formatConcatList', () => {
  it('lists files relative to the playlist, each quoted', () => {
    const m3u =
      '\uFEFF#EXTM3U\r\n#EXTINF:10,One\r\none.mp4\r\n\r\n  sub/two \'2\' "b";$(id).mp4\r\n/abs/-i.mp4\r\n../c:d.mp4\r\n';
    expect(formatConcatList(m3u, '/videos/list.m3u')).toBe(
      [
        'ffconcat version 1.0',
        "file 'file:/videos/one.mp4'",
        `file 'file:/videos/sub/two '\\''2'\\'' "b";$(id).mp4'`,
        "file 'file:/abs/-i.mp4'",
        "file 'file:/c:d.mp4'",
        '',
      ].join('\n'),
    );
  });

  it.each([
    '',
    '#EXTM3U\n#nothing\n',
    'http://example.org/a.mp4\n',
    'a.mp4\nrtsp://cam/\n',
    'file:///etc/passwd\n',
    'a\0b.mp4\n',
  ])('refuses %j', (m3u) => {
    expect(() => formatConcatList(m3u, '/list.m3u')).toThrow(expect.objectContaining({ code: 'source-invalid' }));
  });
});

import { describe, expect, it } from 'vitest';
import { splitWords } from '../../../../gateway/sources/ffmpeg/split-words.ts';

describe('splitWords', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['-rtsp_transport udp', ['-rtsp_transport', 'udp']],
    [' -a\t1\n-b  2 ', ['-a', '1', '-b', '2']],
    [`-headers 'X-Key: a b'`, ['-headers', 'X-Key: a b']],
    [`-x "it's" 'say "hi"' ''`, ['-x', `it's`, 'say "hi"', '']],
    [`-vf drawtext=text='a b':x=1`, ['-vf', 'drawtext=text=a b:x=1']],
    ['C:\\a\\b $HOME `id` ; |', ['C:\\a\\b', '$HOME', '`id`', ';', '|']],
  ])('splits %j', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  // Long words would take exponential time if there were several ways to match them.
  it.each([`'a`, `-x "b c`, `a'b`, `-user_agent ${'Mozilla/5.0'.repeat(700)}'`, `${"'a'".repeat(2000)}"`])(
    'refuses %j',
    (text) => {
      expect(() => splitWords(text)).toThrow(expect.objectContaining({ code: 'source-invalid' }));
    },
  );
});

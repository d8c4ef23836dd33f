import { describe, expect, it } from 'vitest';
import { cleanText, formatLabel, quoteText } from '../../../shared/clean-text.ts';

describe('cleanText', () => {
  it.each([
    ['plain', 'plain'],
    ['  two   words ', 'two words'],
    ['one\r\n2026-11-28 forged', 'one 2026-11-28 forged'],
    ['\u001B[2J\u001B[31mred\u0007', '[2J [31mred'],
    ['nul\0 del\u007F c1\u0085\u009B', 'nul del c1'],
    ['a\u202Egpj.exe', 'a gpj.exe'],
    ['\u2066iso\u2069late\u200F', 'iso late'],
    ['ze\u200Bro\uFEFF wi\u00ADdth\u2060', 'ze ro wi dth'],
    ['line\u2028sep\u2029par', 'line sep par'],
    ['half \uD83D and \uDC00', 'half and'],
    ['hidden\u3164\u115F\u{E0041}', 'hidden'],
    ['caméra 📷 ❤️ 漢字', 'caméra 📷 ❤️ 漢字'],
    ['\n\t ', ''],
  ])('converts %j to %j', (text, clean) => {
    expect(cleanText(text)).toBe(clean);
  });

  it('removes all characters that are unsafe in a line', () => {
    for (let from = 0; from < 0x110000; from += 0x1000) {
      const text = Array.from({ length: 0x1000 }, (_none, index) => `x${String.fromCodePoint(from + index)}`).join('');
      expect(cleanText(text, 1 << 20)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }
  });

  it('truncates at code points, and marks the truncation', () => {
    expect(cleanText('📷'.repeat(5), 5)).toBe('📷'.repeat(5));
    expect(cleanText('📷'.repeat(6), 5)).toBe(`${'📷'.repeat(4)}…`);
    expect(cleanText('a'.repeat(1e6), 5)).toBe('aaaa…');
    expect(Array.from(cleanText('a b'.repeat(1e6)))).toHaveLength(1000);
  });
});

describe('quoteText', () => {
  it('cleans, truncates and quotes', () => {
    expect(quoteText('a "b"\u202E\n')).toBe(String.raw`"a \"b\""`);
    expect(quoteText('a'.repeat(1000))).toHaveLength(66);
  });
});

describe('formatLabel', () => {
  it.each([
    ['phone', 'phone (192.168.1.7)'],
    ['', '192.168.1.7'],
    [' \n ', '192.168.1.7'],
    ['one\r\n2026 a line of the log', 'one 2026 a line of the log (192.168.1.7)'],
    ['caméra 📷', 'caméra 📷 (192.168.1.7)'],
  ])('converts %j to %j', (name, label) => {
    expect(formatLabel(name, '192.168.1.7')).toBe(label);
  });
});

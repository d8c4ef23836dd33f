import { describe, expect, it } from 'vitest';
import { LastOutput } from '../../../../gateway/sources/ffmpeg/last-output.ts';

describe('LastOutput', () => {
  it('returns the lines of chunked output, without colours and control characters', () => {
    const output = new LastOutput();
    for (const piece of ['one\ntw', 'o\r\n\n', '\u001B[31mthree\u001B[0m\u0007', ' !']) output.add(Buffer.from(piece));
    expect(output.lines()).toEqual(['one', 'two', 'three  !']);
  });

  it('keeps the end of endless output in chunks of any size', () => {
    const output = new LastOutput(100);
    for (let number = 0; number < 100_000; number += 1) output.add(Buffer.from(`line ${number}\n`));
    output.add(Buffer.from(`${'x'.repeat(1000)}\nlast\n`));
    expect(output.lines().at(-1)).toBe('last');
    expect(output.text().length).toBeLessThanOrEqual(200);
  });

  it('returns no partial line, in which a password might not be found', () => {
    const output = new LastOutput(100);
    output.add(Buffer.from(`${'y'.repeat(150)}\n`));
    expect(output.lines()).toEqual([]);
    for (let number = 0; number < 100; number += 1) output.add(Buffer.from(`rtsp://user:${number}-password@host\n`));
    for (const line of output.lines()) expect(line).toMatch(/^rtsp:\/\/user:\d+-password@host$/);
    expect(output.lines().length).toBeGreaterThan(1);
  });
});

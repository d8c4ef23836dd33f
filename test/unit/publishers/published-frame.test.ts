import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readForm } from '../../../gateway/publishers/published-frame.ts';
import { JPEG } from '../../helpers/viewer.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** A form with the picture after this number of other fields. */
function formOf(others: number): IncomingMessage {
  const field = (name: string, bytes: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]);
  const body = Buffer.concat([
    ...Array.from({ length: others }, () => field('other', new Uint8Array(0))),
    field('frame', JPEG),
    Buffer.from('--xyz--'),
  ]);
  return Object.assign(Readable.from([body]), {
    headers: { 'content-length': String(body.byteLength) },
  }) as unknown as IncomingMessage;
}

describe('readForm', () => {
  it('accepts a form of 64 parts, but no more', async () => {
    expect((await readForm(formOf(63), 'xyz')).picture).toEqual(Buffer.from(JPEG));
    await expect(readForm(formOf(64), 'xyz')).rejects.toEqual(coded('multipart-invalid'));
    await expect(readForm(formOf(50_000), 'xyz')).rejects.toEqual(coded('multipart-invalid'));
  });
});

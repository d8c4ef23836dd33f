import { JPEG } from './viewer.ts';

/** A JPEG padded to this size, at least 4 bytes more than the original, with comments, which decoders ignore. */
export function jpegOf(bytes: number): Buffer {
  const jpeg = Buffer.from(JPEG);
  let missing = bytes - jpeg.byteLength;
  const comments: Buffer[] = [];
  while (missing > 0) {
    // The marker and the two bytes of the length; at least 4 bytes must remain for the last comment.
    const size = missing <= 65_537 ? missing : Math.min(65_537, missing - 4);
    const comment = Buffer.alloc(size, 0x2e);
    comment.writeUInt16BE(0xfffe, 0);
    comment.writeUInt16BE(size - 2, 2);
    comments.push(comment);
    missing -= size;
  }
  return Buffer.concat([jpeg.subarray(0, 2), ...comments, jpeg.subarray(2)]);
}

/** The same JPEG, with another size in its start-of-frame marker. */
export function jpegSized(width: number, height: number): Buffer {
  const jpeg = Buffer.from(JPEG);
  const at = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  if (at < 0) throw new Error('the JPEG has no baseline start of frame');
  jpeg.writeUInt16BE(height, at + 5);
  jpeg.writeUInt16BE(width, at + 7);
  return jpeg;
}

/** An array of zeros as `numpy.save` writes it. */
export function npyOf(descr: string, shape: readonly number[], dataBytes: number): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117) + '\n';
  const head = Buffer.concat([
    Buffer.from('934e554d50590100', 'hex'),
    Buffer.from([header.length & 0xff, header.length >> 8]),
    Buffer.from(header),
  ]);
  return Buffer.concat([head, Buffer.alloc(dataBytes)]);
}

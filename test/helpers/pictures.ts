import { JPEG } from './viewer.ts';

/** A JPEG padded to this size, at least 4 bytes more than the original, with comments, which decoders ignore. */
export function jpegOf(bytes: number): Buffer {
  const jpeg = Buffer.alloc(bytes, 0x2e);
  jpeg.set(JPEG.subarray(0, 2));
  // The comments are between the first marker and the rest.
  const rest = bytes - (JPEG.byteLength - 2);
  jpeg.set(JPEG.subarray(2), rest);
  for (let at = 2; at < rest;) {
    // The marker and the two bytes of the length; at least 4 bytes must remain for the last comment.
    const missing = rest - at;
    const size = missing <= 65_537 ? missing : Math.min(65_537, missing - 4);
    jpeg.writeUInt16BE(0xfffe, at);
    jpeg.writeUInt16BE(size - 2, at + 2);
    at += size;
  }
  return jpeg;
}

/** The same JPEG with another size in its start-of-frame marker. */
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
  const array = Buffer.alloc(10 + header.length + dataBytes);
  array.write('934e554d50590100', 'hex');
  array.writeUInt16LE(header.length, 8);
  array.write(header, 10, 'latin1');
  return array;
}

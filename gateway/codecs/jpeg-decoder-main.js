// @ts-check
/**
 * Process of JpegVerifier: decodes the JPEGs that it reads, and reports whether the decoder accepted each of them. A
 * separate process can be killed at any time, whereas the library aborts the whole process when a worker thread is
 * terminated during a decode. It is written in JavaScript, because Node.js 20 does not run TypeScript when the gateway
 * is run from its sources.
 *
 * Input: for each JPEG its length and its number of pixels (4 bytes each, big-endian), then its bytes. Output: one byte
 * per JPEG, 1 for valid, 0 for invalid.
 */
import jpegTurbo from '@julusian/jpeg-turbo';

const HEAD_BYTES = 8;

/** Output up to this size is kept for the next picture. */
const MAX_KEPT_BYTES = 8 << 20;

let kept = Buffer.alloc(0);

/** @param {number} bytes */
function takeOutput(bytes) {
  if (bytes <= kept.byteLength) return kept;
  const output = Buffer.allocUnsafeSlow(bytes);
  if (bytes <= MAX_KEPT_BYTES) kept = output;
  return output;
}

/**
 * libjpeg's warnings are treated as errors, as in simplejpeg, with which every NetGear peer decodes. Decoding to gray
 * reads all components' data and saves the conversion of colours.
 *
 * @param {Buffer} jpeg
 * @param {number} pixels
 */
function decodes(jpeg, pixels) {
  try {
    jpegTurbo.decompressSync(jpeg, takeOutput(pixels), { format: jpegTurbo.FORMAT_GRAY });
    return true;
  } catch {
    return false; // the library gives no reason
  }
}

const head = Buffer.alloc(HEAD_BYTES);
/** @type {Buffer} the buffer that is being filled: a head, or a JPEG */
let target = head;
let filled = 0;

process.stdin.on('data', (/** @type {Buffer} */ chunk) => {
  for (let at = 0; at < chunk.byteLength;) {
    const copied = chunk.copy(target, filled, at);
    at += copied;
    filled += copied;
    if (filled < target.byteLength) return;
    filled = 0;
    if (target === head) {
      target = Buffer.allocUnsafeSlow(head.readUInt32BE(0));
      continue;
    }
    process.stdout.write(Buffer.of(decodes(target, head.readUInt32BE(4)) ? 1 : 0));
    target = head;
  }
});

// Ctrl-C and service managers signal all processes of the gateway, which may still need this one. It exits when the
// gateway closes its end of the pipe.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));

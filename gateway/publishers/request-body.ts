import type { IncomingMessage } from 'node:http';
import { GearwayError } from '../../shared/errors.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { ReadPacer } from '../hub/read-pacer.ts';

/**
 * Maximum number of small pieces of a body per second, with a burst of one second: each costs the event loop several
 * microseconds, whatever its size. A sender of 500 pictures per second in four chunks each stays below the limit.
 */
const MAX_SMALL_PIECES_PER_SECOND = 5000;
const SMALL_BYTES = 512;

/**
 * Calls `take` for each chunk of a request's body. After a failure, the rest is read and discarded, so that the sender
 * can read the response.
 *
 * @param options `signal` aborts reading; its reason is thrown. `isPaced`: reading pauses while `take` takes more than
 * half of the time, for bodies that are parsed.
 * @throws the error of `take`, `too-many` for too many tiny chunks, and `body-incomplete` if the connection closes before
 * the end of the body.
 */
export function readChunks(
  request: IncomingMessage,
  take: (chunk: Buffer) => void,
  { signal, isPaced = false }: { readonly signal?: AbortSignal; readonly isPaced?: boolean } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const pacer = new ReadPacer(request);
    const smallPieces = new TokenBucket(MAX_SMALL_PIECES_PER_SECOND);
    const settle = (): void => {
      pacer.close();
      request.off('data', taken);
      request.off('end', ended);
      request.off('close', closed);
      signal?.removeEventListener('abort', aborted);
    };
    const fail = (error: Error): void => {
      settle();
      request.resume();
      reject(error);
    };
    const taken = (chunk: Buffer): void => {
      try {
        if (chunk.byteLength < SMALL_BYTES && !smallPieces.take(performance.now()))
          throw new GearwayError(
            'too-many',
            `more than ${MAX_SMALL_PIECES_PER_SECOND} chunks of less than ${SMALL_BYTES} bytes per second; send larger ones`,
          );
        if (isPaced) pacer.run(() => take(chunk));
        else take(chunk);
      } catch (error) {
        fail(error as Error);
      }
    };
    const ended = (): void => {
      settle();
      resolve();
    };
    const closed = (): void =>
      fail(new GearwayError('body-incomplete', 'the connection was closed before the body was complete'));
    const aborted = (): void => fail(signal?.reason as Error);
    // 'error' is followed by 'close'; without a listener it would end the process.
    request.on('error', () => undefined);
    request.on('end', ended);
    request.on('close', closed);
    signal?.addEventListener('abort', aborted);
    if (request.destroyed) closed();
    else if (signal?.aborted === true) aborted();
    else request.on('data', taken);
  });
}

/**
 * Reads a body into a new buffer. If the length is announced, it is checked first and exactly that much memory is
 * allocated.
 *
 * @throws {GearwayError} `length-required`, `too-large`, `body-incomplete`.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const length = announcedBytes(request, maxBytes);
  if (length !== null) {
    const body = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    await readChunks(request, (chunk) => {
      filled += chunk.copy(body, filled);
    });
    return body;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  await readChunks(request, (chunk) => {
    bytes += chunk.byteLength;
    checkBytes(bytes, maxBytes);
    chunks.push(chunk);
  });
  return Buffer.concat(chunks, bytes);
}

/**
 * The body's Content-Length; null for a chunked body.
 *
 * @throws {GearwayError} `length-required`, `too-large`.
 */
export function announcedBytes({ headers }: IncomingMessage, maxBytes: number): number | null {
  const length = headers['content-length'];
  // Node has already refused invalid and contradictory lengths.
  if (length !== undefined) return checkBytes(Number(length), maxBytes);
  if (headers['transfer-encoding'] === undefined) {
    throw new GearwayError(
      'length-required',
      'the request has no body, expected one with Content-Length, or a chunked one',
    );
  }
  return null;
}

/**
 * @returns the bytes.
 * @throws {GearwayError} `too-large`.
 */
export function checkBytes(bytes: number, maxBytes: number): number {
  if (bytes > maxBytes)
    throw new GearwayError('too-large', `the body has at least ${bytes} bytes, expected at most ${maxBytes}`);
  return bytes;
}

import type { IncomingMessage } from 'node:http';
import { GearwayError } from '../../shared/errors.ts';

/**
 * Gives each chunk of a request's body to `take`, as fast as that returns. What comes behind a failure is read and thrown away, so that
 * the sender can read the answer.
 *
 * @param signal ends the reading; its reason is what is thrown.
 * @throws what `take` throws, and `body-incomplete` when the connection ends before the body.
 */
export function readChunks(request: IncomingMessage, take: (chunk: Buffer) => void, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
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
        take(chunk);
      } catch (error) {
        fail(error as Error);
      }
    };
    const ended = (): void => {
      settle();
      resolve();
    };
    const closed = (): void => fail(new GearwayError('body-incomplete', 'the connection has ended before the body was complete'));
    const aborted = (): void => fail(signal?.reason as Error);
    // Followed by 'close'.
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
 * Reads a body into memory of its own. One that announces its length takes just that, and is refused before it takes any.
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
 * The body's Content-Length; null when it comes in chunks.
 *
 * @throws {GearwayError} `length-required`, `too-large`.
 */
export function announcedBytes({ headers }: IncomingMessage, maxBytes: number): number | null {
  const length = headers['content-length'];
  // Node has refused what is no number, and what contradicts itself.
  if (length !== undefined) return checkBytes(Number(length), maxBytes);
  if (headers['transfer-encoding'] === undefined) throw new GearwayError('length-required', 'the request has no body, expected one with Content-Length, or in chunks');
  return null;
}

/**
 * @returns the bytes.
 * @throws {GearwayError} `too-large`.
 */
export function checkBytes(bytes: number, maxBytes: number): number {
  if (bytes > maxBytes) throw new GearwayError('too-large', `the body has at least ${bytes} bytes, expected at most ${maxBytes}`);
  return bytes;
}

import type { Writable } from 'node:stream';
import { deserialize, serialize } from 'node:v8';
import type { PipeRecord } from './messages.ts';

/** The worker's file descriptor of the pipe, behind input, output, errors and the channel. */
export const FRAMES_FD = 4;

/** Bytes of the head and of the body behind it, each as u32, big-endian. */
const PRELUDE_BYTES = 8;

/**
 * Writes a record and the bytes that belong to it, by reference.
 *
 * @param onTaken called when the kernel has taken all of it, or the pipe has broken.
 */
export function writeRecord(pipe: Writable, record: PipeRecord, body: readonly Uint8Array[] = [], onTaken: () => void = () => undefined): void {
  const head = serialize(record);
  const prelude = Buffer.allocUnsafe(PRELUDE_BYTES);
  prelude.writeUInt32BE(head.byteLength, 0);
  prelude.writeUInt32BE(body.reduce((sum, { byteLength }) => sum + byteLength, 0), 4);
  pipe.cork();
  pipe.write(prelude);
  for (const part of [head, ...body].slice(0, -1)) pipe.write(part);
  pipe.write(body.at(-1) ?? head, () => onTaken());
  pipe.uncork();
}

/** Puts records together from what a pipe delivers, each in memory of its own: sockets keep it until they have sent it. */
export class RecordReader {
  readonly #onRecord: (record: PipeRecord, body: Buffer) => void;
  readonly #prelude = Buffer.alloc(PRELUDE_BYTES);
  /** What is being filled: the prelude, or the record behind it. */
  #target = this.#prelude;
  #filled = 0;

  constructor(onRecord: (record: PipeRecord, body: Buffer) => void) {
    this.#onRecord = onRecord;
  }

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.byteLength; ) {
      const copied = chunk.copy(this.#target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled === this.#target.byteLength) this.#completed();
    }
  }

  #completed(): void {
    const completed = this.#target;
    const headBytes = this.#prelude.readUInt32BE(0);
    this.#filled = 0;
    if (completed === this.#prelude) {
      this.#target = Buffer.allocUnsafeSlow(headBytes + this.#prelude.readUInt32BE(4));
      return;
    }
    this.#target = this.#prelude;
    this.#onRecord(deserialize(completed.subarray(0, headBytes)) as PipeRecord, completed.subarray(headBytes));
  }
}

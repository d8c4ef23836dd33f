const ZEROS = new Uint8Array(1 << 20);

/** Zeros to be read only, as a view of shared memory: simulations make many payloads of which only the size counts. */
export function zeros(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > ZEROS.byteLength) throw new RangeError(`${bytes} zeros, expected at most ${ZEROS.byteLength}`);
  return ZEROS.subarray(0, bytes);
}

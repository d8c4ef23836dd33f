const ZEROS = new Uint8Array(1 << 20);

/** Read-only zeros in shared memory. Simulations create many payloads of which only the size matters. */
export function zeros(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > ZEROS.byteLength) throw new RangeError(`${bytes} zeros, expected at most ${ZEROS.byteLength}`);
  return ZEROS.subarray(0, bytes);
}

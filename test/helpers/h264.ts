const START = Buffer.from([0, 0, 0, 1]);

/**
 * Converts H.264 to a byte stream (ISO 14496-10, annex B), which FFmpeg decodes.
 *
 * @param description the `avcC` of the first unit.
 * @param accessUnits the first of them a key frame; NAL units with their lengths before them.
 */
export function byteStream(description: Uint8Array, accessUnits: readonly Uint8Array[]): Uint8Array {
  const nals = [...parameterSets(description), ...accessUnits.flatMap(units)];
  return Buffer.concat(nals.flatMap((nal) => [START, nal]));
}

/** The parameter sets of an `avcC` with one of each. */
function parameterSets(description: Uint8Array): readonly [Buffer, Buffer] {
  const data = Buffer.from(description);
  const spsBytes = data.readUInt16BE(6);
  const ppsAt = 8 + spsBytes + 1;
  return [data.subarray(8, 8 + spsBytes), data.subarray(ppsAt + 2, ppsAt + 2 + data.readUInt16BE(ppsAt))];
}

/** The NAL units of an access unit. */
function units(data: Uint8Array): readonly Buffer[] {
  const buffer = Buffer.from(data);
  const found: Buffer[] = [];
  for (let at = 0; at < buffer.byteLength;) {
    const bytes = buffer.readUInt32BE(at);
    found.push(buffer.subarray(at + 4, at + 4 + bytes));
    at += 4 + bytes;
  }
  return found;
}

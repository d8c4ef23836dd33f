/** Head of a JPEG of 12 bytes, as an owner sends it. */
export const HEAD_OF_JPEG = {
  origin: 'o',
  sequence: 1,
  ageUs: 0,
  capturedAtUs: null,
  width: 2,
  height: 2,
  encoding: { kind: 'jpeg' },
  bytes: 12,
  message: 'null',
  wireHeader: null,
  isTrusted: true,
};

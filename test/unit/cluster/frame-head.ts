/** Head that an owner sends for a JPEG of 12 bytes. */
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

import type { PortReturn, ReturnData } from '../../hub/returns/returns.ts';

/** Cached JSON of arrays and JPEGs, because the same value may be sent with every frame. */
const encoded = new WeakMap<ReturnData, Uint8Array>();

/**
 * Encodes the data of all clients as Python JSON, `{"5567": …, "6000": null}`, with arrays and JPEGs as
 * `{"$ndarray": …}` with base64 data.
 *
 * @returns the UTF-8 text in pieces.
 */
export function encodePorts(all: readonly PortReturn[]): readonly Uint8Array[] {
  const pieces = all.flatMap(({ port, data }, index) => [
    Buffer.from(`${index === 0 ? '{' : ', '}"${port}": `),
    encodeValue(data),
  ]);
  return [...pieces, Buffer.from(all.length === 0 ? '{}' : '}')];
}

function encodeValue(data: ReturnData): Uint8Array {
  if (data.kind === 'value') return Buffer.from(data.json);
  let json = encoded.get(data);
  if (json === undefined) {
    json =
      data.kind === 'jpeg'
        ? encodeBinary('"jpeg": ', data.data)
        : encodeBinary(
            `"dtype": "${data.array.dtype}", "shape": [${data.array.shape.join(', ')}], "data": `,
            data.array.data,
          );
    encoded.set(data, json);
  }
  return json;
}

/** @param fields the JSON members before the data, then the name of the member with the data. */
function encodeBinary(fields: string, data: Uint8Array): Uint8Array {
  const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  // Written separately, because joining the strings would copy the data once more.
  const [head, tail] = [`{"$ndarray": {${fields}"`, '"}}'];
  const json = Buffer.allocUnsafe(head.length + base64.length + tail.length);
  json.write(head, 'latin1');
  json.write(base64, head.length, 'latin1');
  json.write(tail, head.length + base64.length, 'latin1');
  return json;
}

import type { Frame } from '../../hub/frame.ts';
import { encodeFrameHeader, type HeaderVariant, rewriteFrameHeader } from '../../netgear/frame-codec.ts';
import { formatPythonJson } from '../../codecs/python-json.ts';

/** The NetGear headers of a stream's frames, encoded once per frame and variant for all native clients. */
export class NativeHeaders {
  readonly #made = new WeakMap<Frame, Map<string, Buffer>>();

  get(frame: Frame, variant: HeaderVariant): Buffer {
    let headers = this.#made.get(frame);
    if (headers === undefined) this.#made.set(frame, (headers = new Map()));
    const key = `${variant.pattern} ${variant.serverPort} ${variant.dropMessage}`;
    let header = headers.get(key);
    if (header === undefined) headers.set(key, (header = Buffer.from(make(frame, variant))));
    return header;
  }
}

function make({ wireHeader, encoding, message }: Frame, variant: HeaderVariant): string {
  if (wireHeader !== null) return rewriteFrameHeader(wireHeader, variant);
  return encodeFrameHeader(encoding, variant.dropMessage ? 'null' : formatPythonJson(message), variant);
}

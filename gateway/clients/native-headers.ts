import type { Frame } from '../hub/frame.ts';
import { encodeFrameHeader, rewriteFrameHeader } from '../netgear/frame-codec.ts';
import type { Pattern } from '../netgear/pattern.ts';
import { formatPythonJson } from '../netgear/python-json.ts';

/** The NetGear headers of a stream's frames, made once per frame and pattern for all native clients. */
export class NativeHeaders {
  readonly #made = new WeakMap<Frame, Map<string, Buffer>>();

  /** @param dropMessage for a repeat: its message was delivered before and must not be acted on again. */
  get(frame: Frame, pattern: Pattern, dropMessage: boolean): Buffer {
    let headers = this.#made.get(frame);
    if (headers === undefined) this.#made.set(frame, (headers = new Map()));
    const key = `${pattern} ${dropMessage}`;
    let header = headers.get(key);
    if (header === undefined) headers.set(key, (header = Buffer.from(make(frame, pattern, dropMessage))));
    return header;
  }
}

function make({ wireHeader, encoding, message }: Frame, pattern: Pattern, dropMessage: boolean): string {
  if (wireHeader !== null) return rewriteFrameHeader(wireHeader, { pattern, dropMessage });
  return encodeFrameHeader(encoding, dropMessage ? 'null' : formatPythonJson(message), pattern);
}

import type { Source } from './source.ts';

/** No source of its own: the program that embeds the gateway gives the frames by `stream.push()`. */
export class PushSource implements Source {
  readonly kind = 'push';
  readonly address = 'this program';
  readonly waitingReason = 'waiting for the first stream.push()';
  readonly takesReturns = false;
  readonly seats = null;
  readonly stallMs = null;

  state(): string {
    return 'open';
  }

  async open(): Promise<void> {
    // Frames come through the stream itself.
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

import { html, type TemplateResult } from 'lit';
import type { Value } from '../../../shared/protocol.ts';
import { formatCount } from '../shared/text.ts';
import { messageTree } from './message-tree.ts';

/** A frame's number and message. Reading a large message takes milliseconds. */
export interface FrameMessage {
  readonly sequence: number;
  readonly message: Value;
}

/** The message of the frame on screen. @param shown null before the first frame. */
export function messagePanel(shown: FrameMessage | null): TemplateResult {
  const frame = shown === null ? '' : `frame ${formatCount(shown.sequence)}`;
  const empty = shown === null ? 'No frame received yet' : 'This frame has no message';
  return html`<section class="panel message" aria-label="Message">
    <h2>Message <small>${frame}</small></h2>
    ${messageTree(shown?.message ?? null, empty)}
  </section>`;
}

import { html, type TemplateResult } from 'lit';
import type { Value } from '../../../shared/protocol.ts';
import { formatCount } from '../shared/text.ts';
import { messageTree } from './message-tree.ts';

/** A frame's number and message. */
export interface FrameMessage {
  readonly sequence: number;
  readonly value: Value;
}

/** The message of the frame on screen. @param message null before the first frame. */
export function messagePanel(message: FrameMessage | null): TemplateResult {
  const frame = message === null ? '' : `frame ${formatCount(message.sequence)}`;
  const empty = message === null ? 'No frame received yet' : 'This frame has no message';
  return html`<section class="panel message" aria-label="Message">
    <h2>Message <small>${frame}</small></h2>
    ${messageTree(message?.value ?? null, empty)}
  </section>`;
}

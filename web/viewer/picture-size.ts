import type { FrameMessage } from '../../shared/protocol.ts';

/** Size of the picture in a frame's payload: smaller than the frame if it is a rendition. */
export function pictureSize({ width, height, rendition }: FrameMessage): {
  readonly width: number;
  readonly height: number;
} {
  return rendition === undefined
    ? { width, height }
    : { width: rendition.pictureWidth, height: rendition.pictureHeight };
}

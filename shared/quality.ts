/**
 * Largest rendition that a viewer requests. `auto`: as the link allows; `source`: only unmodified frames; `half` and
 * `quarter`: at most this fraction of the source's width and height.
 */
export type Quality = 'auto' | 'source' | 'half' | 'quarter';

export const QUALITIES: readonly Quality[] = ['auto', 'source', 'half', 'quarter'];

/** Largest limit of a viewer's frame rate, which means no limit. */
export const MAX_FRAMES_PER_SECOND = 1000;

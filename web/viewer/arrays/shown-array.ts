/** Type, range and colours of the array on screen. */
export interface ShownArray {
  /** Canonical dtype, as in NumPy. */
  readonly dtype: string;
  readonly channels: 1 | 3 | 4;
  /** Value with the first colour. */
  readonly low: number;
  /** Value with the last colour. */
  readonly high: number;
  /** Whether the range follows the values. */
  readonly isAuto: boolean;
  /** `unit` in the frame's message, at most 16 characters; empty without one. The attribute `unit` takes precedence. */
  readonly unit: string;
  /** 256 colours from low to high, each red in the lowest byte and alpha in the highest. */
  readonly colors: Uint32Array;
  /** The problem of the attributes, as a sentence; null if there is none. Invalid attributes are ignored. */
  readonly problem: string | null;
  /** Whether a GPU or the CPU computes the pixels, which are the same. */
  readonly renderer: 'webgl2' | 'cpu';
}

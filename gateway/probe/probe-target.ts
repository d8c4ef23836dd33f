import type { Security } from '../netgear/curve-keys.ts';
import type { Pattern } from '../netgear/pattern.ts';

/** Address and options of a probe. */
export interface ProbeTarget {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`. */
  readonly endpoint: string;
  readonly port: string;
  /** The pattern in the address; null for none. */
  readonly pattern: Pattern | null;
  readonly security: Security | null;
  /** How long frames are exchanged. */
  readonly seconds: number;
}

import type { Bench } from './bench.ts';
import { fanOut } from './fan-out.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [fanOut];

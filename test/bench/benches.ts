import type { Bench } from './bench.ts';
import { element } from './element.ts';
import { fanOut } from './fan-out.ts';
import { latency } from './latency.ts';
import { mjpeg } from './mjpeg.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [fanOut, latency, element, mjpeg];

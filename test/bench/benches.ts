import type { Bench } from './bench.ts';
import { element } from './element.ts';
import { fanOut } from './fan-out.ts';
import { hop } from './hop.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { mjpeg } from './mjpeg.ts';
import { native } from './native.ts';
import { start } from './start.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [fanOut, native, hop, latency, element, mjpeg, memory, start];

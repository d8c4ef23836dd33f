import { adaptive } from './adaptive.ts';
import { audience } from './audience.ts';
import type { Bench } from './bench.ts';
import { cluster } from './cluster.ts';
import { clusterLoad } from './cluster-load.ts';
import { distance } from './distance.ts';
import { element } from './element.ts';
import { encode } from './encode.ts';
import { fanOut } from './fan-out.ts';
import { hop } from './hop.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { mjpeg } from './mjpeg.ts';
import { native } from './native.ts';
import { overload } from './overload.ts';
import { sideBySide } from './side-by-side.ts';
import { start } from './start.ts';
import { thin } from './thin.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [
  fanOut,
  cluster,
  clusterLoad,
  native,
  hop,
  latency,
  overload,
  distance,
  thin,
  sideBySide,
  adaptive,
  audience,
  element,
  encode,
  mjpeg,
  memory,
  start,
];

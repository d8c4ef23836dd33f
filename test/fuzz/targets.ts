import type { Samples } from './pictures.ts';
import type { Target } from './target.ts';
import { framesTarget } from './targets/frames.ts';
import { httpTarget } from './targets/http.ts';
import { peersTarget } from './targets/peers.ts';
import { publisherTarget } from './targets/publisher.ts';
import { pushTarget } from './targets/push.ts';
import { viewerTarget } from './targets/viewer.ts';
import { zmqTarget } from './targets/zmq.ts';

const TARGETS: Readonly<Record<string, (samples: Samples) => Target>> = {
  viewer: viewerTarget,
  publisher: publisherTarget,
  frames: () => framesTarget,
  http: () => httpTarget,
  push: pushTarget,
  zmq: zmqTarget,
  peers: peersTarget,
};

/** All targets by name, in the order in which they run. `decoders` runs in the attacking process, without a gateway. */
export const TARGET_NAMES: readonly string[] = [...Object.keys(TARGETS), 'decoders'];

/** @throws {RangeError} for a name that is not a target with sockets. */
export function createTarget(name: string, samples: Samples): Target {
  const create = TARGETS[name];
  if (create === undefined)
    throw new RangeError(`there is no target ${JSON.stringify(name)}, expected one of ${TARGET_NAMES.join(', ')}`);
  return create(samples);
}

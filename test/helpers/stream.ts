import { EventLog } from '../../gateway/hub/event-log.ts';
import { Stream } from '../../gateway/hub/stream.ts';
import { SILENT_LOGGER } from '../../shared/logger.ts';

/** A stream named `door` without ports, whose source accepts no return data. The caller closes it. */
export function createDoor(): Stream {
  return new Stream({
    name: 'door',
    virtualPorts: [],
    sourceTakesReturns: false,
    events: new EventLog(),
    waitingReason: 'no frame yet',
    log: SILENT_LOGGER,
  });
}

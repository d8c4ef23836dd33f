import type { Logger } from '../../shared/logger.ts';
import type { EventKind, GatewayEvent } from '../../shared/status.ts';

/** Kinds of events that are logged here; others are logged where they occur. */
const LOGGED: ReadonlySet<EventKind> = new Set<EventKind>(['connect', 'disconnect', 'take-over', 'control']);

/** Maximum number of entries per interval. Clients that reconnect rapidly must not flood the log. */
const MAX_ENTRIES = 20;
const INTERVAL_MS = 10_000;

/**
 * Creates a function that logs clients that connect and disconnect. Beyond 20 entries per 10 s it logs only their
 * number.
 */
export function createClientLog(log: Logger): (event: GatewayEvent) => void {
  let entries = 0;
  const beginInterval = (): void => {
    const timer = setTimeout(() => {
      if (entries > MAX_ENTRIES) log.info({}, `clients: ${entries - MAX_ENTRIES} more connected or disconnected`);
      entries = 0;
    }, INTERVAL_MS);
    timer.unref();
  };
  return ({ kind, stream, client, port, address, reason }) => {
    if (!LOGGED.has(kind)) return;
    if (entries === 0) beginInterval();
    entries += 1;
    if (entries > MAX_ENTRIES) return;
    const who = [client ?? 'publisher', ...(address === null ? [] : [address])].join(' ');
    log.info(
      {
        event: kind,
        ...(stream === null ? {} : { stream }),
        ...(client === null ? {} : { client }),
        ...(port === null ? {} : { port }),
        ...(address === null ? {} : { peer: address }),
      },
      `${who}${port === null ? '' : `, port ${port}`}: ${kind}, ${reason}`,
    );
  };
}

import type { EventKind, GatewayEvent } from '../../shared/status.ts';

/** Other events have entries of their own. */
const LOGGED: ReadonlySet<EventKind> = new Set<EventKind>(['connect', 'disconnect', 'take-over']);

/** Maximum number of entries per interval. Clients that come and go as fast as they can must not fill the log. */
const MAX_ENTRIES = 20;
const INTERVAL_MS = 10_000;

/** Makes the function that logs each client as it comes and goes; what exceeds 20 entries in 10 s is counted in one. */
export function createClientLog(log: (message: string) => void): (event: GatewayEvent) => void {
  let entries = 0;
  const beginInterval = (): void => {
    const timer = setTimeout(() => {
      if (entries > MAX_ENTRIES) log(`clients: ${entries - MAX_ENTRIES} more came or went`);
      entries = 0;
    }, INTERVAL_MS);
    timer.unref();
  };
  return ({ kind, stream, client, port, address, reason }) => {
    if (!LOGGED.has(kind)) return;
    if (entries === 0) beginInterval();
    entries += 1;
    if (entries > MAX_ENTRIES) return;
    log(`stream ${stream}: ${[client ?? 'publisher', ...(address === null ? [] : [address])].join(' ')}${port === null ? '' : `, port ${port}`}: ${kind}, ${reason}`);
  };
}

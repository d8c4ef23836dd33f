/**
 * Socket options that end the connection to a host that has vanished, within 4 s. TCP does it, not ZMTP heartbeats: with those libzmq 4.3.5 aborts the
 * process when a peer that has filled the receive queue resets its connection (`Assertion failed: !_io_error`), because the heartbeat timer goes on
 * writing to a connection that has failed.
 */
export const KEEP_ALIVE = {
  tcpKeepalive: 1,
  /** In seconds, as the next one. */
  tcpKeepaliveIdle: 1,
  tcpKeepaliveInterval: 1,
  tcpKeepaliveCount: 3,
  /** In milliseconds, for data that is not acknowledged. */
  tcpMaxRetransmitTimeout: 4000,
} as const;

/**
 * Socket options that close the connection to an unreachable host within 4 s. Uses TCP keep-alive instead of ZMTP
 * heartbeats: with those, libzmq 4.3.5 aborts the process when a peer that has filled the receive queue resets its
 * connection (`Assertion failed: !_io_error`), because the heartbeat timer keeps writing to the failed connection.
 */
export const KEEP_ALIVE = {
  tcpKeepalive: 1,
  /** In seconds, like the next option. */
  tcpKeepaliveIdle: 1,
  tcpKeepaliveInterval: 1,
  tcpKeepaliveCount: 3,
  /** In milliseconds, for unacknowledged data. */
  tcpMaxRetransmitTimeout: 4000,
} as const;

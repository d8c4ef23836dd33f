/** WebSocket close codes of the gateway. The close reason explains what to do. */
export const closeCode = {
  goingAway: 1001,
  badMessage: 4000,
  unknownStream: 4001,
  portTaken: 4002,
  takenOver: 4003,
  portOutOfRange: 4004,
  notAllowed: 4005,
  tooMuch: 4006,
  noAcknowledgement: 4007,
  noHello: 4008,
  sentAway: 4009,
  publisherPresent: 4010,
  notForPublishers: 4011,
} as const;

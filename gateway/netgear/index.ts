/** NetGear for Node programs, `gearway/netgear`: senders and receivers that are compatible with VidGear's. */
export type { NDArray } from '../../shared/ndarray.ts';
export { GearwayError } from '../../shared/errors.ts';
export type { Encoding } from '../../shared/frame.ts';
export type { Value } from '../../shared/protocol.ts';
export type { ConnectionState } from './client-connection.ts';
export type { NetGearOptions, Port } from './options.ts';
export type { Picture, Sendable } from './picture.ts';
export {
  NetGearReceiver,
  type NetGearReceiverOptions,
  type Received,
  type RecvOptions,
  type ServerStatus,
} from './receiver.ts';
export { isNDArray, type Jpeg, type Returnable as ReturnData, type Returned } from './return-data.ts';
export {
  type FromClient,
  NetGearSender,
  type NetGearSenderOptions,
  type SendOptions,
  type SendResult,
} from './sender.ts';
export type { SenderClientStatus as ClientStatus } from './sender-client.ts';

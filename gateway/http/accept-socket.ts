import type { Duplex } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { errorText } from '../../shared/errors.ts';
import { closeCode } from '../../shared/protocol.ts';
import type { AddressBudgets, InputBudget } from '../connection/input-budget.ts';
import type { LargeMessages } from '../connection/large-messages.ts';
import {
  closeWebSocket,
  controlFrameBytes,
  meterInput,
  transportOf,
  type WebSocket,
} from '../connection/web-socket.ts';
import { addressKey, type Share, type Shares } from '../hub/shares.ts';
import { clientAddress } from './client-address.ts';

/** Quotas shared by the WebSockets of viewers and publishers. */
export interface SocketShares {
  /** WebSockets whose hello has not been accepted yet. */
  readonly greetings: Shares;
  readonly addressBudgets: AddressBudgets;
  readonly largeMessages: LargeMessages;
}

/** A new WebSocket that has acquired its shares. */
interface AcceptedSocket {
  readonly transport: Duplex;
  readonly address: string;
  readonly addressBudget: InputBudget;
  /** Must be called when the hello has been accepted. */
  readonly onAdmitted: () => void;
}

/** The viewer or publisher of a WebSocket. */
interface SocketOwner {
  receivedBytes(bytes: number): void;
  /** Called every second while the gateway does not read from the connection. */
  inputPaused(): void;
  close(code: number, reason: string): void;
  readonly closed: Promise<void>;
}

/**
 * Acquires the shares of a new WebSocket, and releases them when it has closed. Closes the socket with 4006 if none are
 * left.
 *
 * @param shares.sockets shares of all sockets of this kind.
 * @param owners contains the owner returned by `create` while the socket is open.
 */
export function acceptSocket<T extends SocketOwner>(
  socket: WebSocket,
  request: FastifyRequest,
  { sockets, greetings, addressBudgets, largeMessages }: SocketShares & { readonly sockets: Shares },
  owners: { add(owner: T): unknown; delete(owner: T): unknown },
  create: (accepted: AcceptedSocket) => T,
): void {
  const address = clientAddress(request);
  const key = addressKey(address);
  let share: Share | null = null;
  let greeting: Share;
  try {
    share = sockets.acquire(key);
    greeting = greetings.acquire(key);
  } catch (error) {
    share?.release();
    socket.on('error', () => undefined);
    meterInput(
      socket,
      () => undefined,
      () => false,
    );
    closeWebSocket(socket, closeCode.tooMuch, errorText(error));
    return;
  }
  const transport = transportOf(socket);
  const owner = create({
    transport,
    address,
    addressBudget: addressBudgets.join(key),
    onAdmitted: () => greeting.release(),
  });
  const meter = largeMessages.join({
    address: key,
    resume: () => transport.resume(),
    paused: () => owner.inputPaused(),
    timedOut: (reason) => owner.close(closeCode.tooMuch, reason),
  });
  const received = (bytes: number): void => {
    owner.receivedBytes(bytes);
    meter.received(bytes);
  };
  meterInput(socket, received, () => meter.isWaiting);
  socket.on('message', () => meter.completed());
  for (const event of ['ping', 'pong'] as const)
    socket.on(event, (data: Buffer) => meter.control(controlFrameBytes(data)));
  owners.add(owner);
  const forget = (): void => {
    owners.delete(owner);
    meter.close();
    greeting.release();
    share.release();
    addressBudgets.leave(key);
  };
  owner.closed.then(forget, forget);
}

import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Actions of one side of a connection. All data is fixed in advance, so that a script can be stored, replayed and
 * minimized.
 */
export type Step =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Waits for data, for at most this time. */
  | { readonly kind: 'read'; readonly ms: number }
  /** Closes the sending half and keeps reading. */
  | { readonly kind: 'end' }
  /** Stops reading, so that the buffers of the peer fill. */
  | { readonly kind: 'stall' }
  /** Ends with a TCP reset. */
  | { readonly kind: 'reset' };

/** One connection of the fuzzer. */
export interface Script {
  /** Description, for display. */
  readonly what: string;
  /** Port of the gateway to which it connects, or on which connections of the gateway are accepted. */
  readonly port: number;
  /** Source address on loopback: limits and log-ins are counted per address. */
  readonly from: string;
  readonly steps: readonly Step[];
  /** How long it reads after its last step before it closes, unless the gateway closes earlier. */
  readonly lingerMs: number;
  /** Data for the oracle of its target. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** How a connection ended. */
export interface Outcome {
  /** `unreachable`: nothing was listening, or no connection arrived. `open`: the fuzzer ended the connection. */
  readonly end: 'closed' | 'reset' | 'open' | 'unreachable';
  /** Received data, up to {@link MAX_KEPT_BYTES}. */
  readonly received: Buffer;
  readonly receivedBytes: number;
  /** Code of the error of the connection, such as `ECONNREFUSED`. */
  readonly error: string | null;
}

/** Maximum size of the received data that is kept for the oracles. */
const MAX_KEPT_BYTES = 256 << 10;

/** Connects and runs a script. Never rejects. @param signal ends it early. */
export async function runScript(script: Script, signal: AbortSignal): Promise<Outcome> {
  const socket = connect({ host: '127.0.0.1', port: script.port, localAddress: script.from, noDelay: true });
  return perform(script, socket, signal);
}

/** Runs a script on a connection that is being opened or was accepted. Never rejects. */
export async function perform(script: Script, socket: Socket, signal: AbortSignal): Promise<Outcome> {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let receivedBytes = 0;
  let error: NodeJS.ErrnoException | null = null;
  let wasConnected = !socket.connecting;
  let hasEnded = false;
  let wake: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  socket.on('connect', () => (wasConnected = true));
  socket.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (keptBytes < MAX_KEPT_BYTES) kept.push(chunk.subarray(0, MAX_KEPT_BYTES - keptBytes));
    keptBytes += chunk.length;
    wake();
  });
  socket.on('end', () => (hasEnded = true));
  socket.on('error', (failure) => (error = failure));

  const pause = async (ms: number, ...others: Promise<unknown>[]): Promise<void> => {
    if (ms > 0) await Promise.race([delay(ms), closed, ...others]);
  };
  if (socket.connecting)
    await Promise.race([new Promise<void>((resolve) => socket.once('connect', () => resolve())), closed]);
  for (const step of script.steps) {
    if (socket.destroyed) break;
    switch (step.kind) {
      case 'send':
        // Not awaited: a gateway that stops reading must not stop the script. The step `wait` gives the gateway time.
        if (socket.writable) socket.write(step.bytes);
        break;
      case 'wait':
        await pause(step.ms);
        break;
      case 'read':
        await pause(step.ms, new Promise<void>((resolve) => (wake = resolve)));
        break;
      case 'end':
        socket.end();
        break;
      case 'stall':
        socket.pause();
        break;
      case 'reset':
        // A reset before anything was flushed would send nothing.
        await pause(5);
        socket.resetAndDestroy();
        break;
      default:
        step satisfies never;
    }
  }
  await pause(script.lingerMs);
  const wasOpen = !socket.destroyed && !hasEnded;
  socket.destroy();
  await closed;
  signal.removeEventListener('abort', stop);
  const failure = error as NodeJS.ErrnoException | null;
  const end = !wasConnected ? 'unreachable' : failure !== null ? 'reset' : wasOpen ? 'open' : 'closed';
  return { end, received: Buffer.concat(kept), receivedBytes, error: failure?.code ?? null };
}

/**
 * Maximum number of bytes that are stored for all steps together. For further steps, only the number of bytes is
 * stored, because strings have a maximum length.
 */
const MAX_STORED_BYTES = 64 << 20;

type StoredSend =
  | { readonly kind: 'send'; readonly base64: string }
  | { readonly kind: 'send'; readonly zeros: number };

/** A script as JSON, bytes as base64. */
export function formatScripts(scripts: readonly Script[]): string {
  // A replacer cannot be used, because `Buffer.toJSON` makes a list of numbers before it is called.
  let leftBytes = MAX_STORED_BYTES;
  const store = (bytes: Uint8Array): StoredSend => {
    if (bytes.byteLength > leftBytes) return { kind: 'send', zeros: bytes.byteLength };
    leftBytes -= bytes.byteLength;
    return { kind: 'send', base64: Buffer.from(bytes).toString('base64') };
  };
  return JSON.stringify(
    scripts.map((script) => ({
      ...script,
      steps: script.steps.map((step) => (step.kind === 'send' ? store(step.bytes) : step)),
    })),
  );
}

/** Reads the output of {@link formatScripts}. */
export function parseScripts(json: string): Script[] {
  const stored = JSON.parse(json) as (Omit<Script, 'steps'> & {
    readonly steps: readonly (Exclude<Step, { kind: 'send' }> | StoredSend)[];
  })[];
  const bytesOf = (step: StoredSend): Uint8Array =>
    'zeros' in step ? Buffer.alloc(step.zeros) : Buffer.from(step.base64, 'base64');
  return stored.map((script) => ({
    ...script,
    steps: script.steps.map((step) => (step.kind === 'send' ? { kind: 'send', bytes: bytesOf(step) } : step)),
  }));
}

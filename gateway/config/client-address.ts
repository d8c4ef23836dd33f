import { quoteText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { NativeClientAddress } from '../clients/native/native-client.ts';
import { parseNetGearAddress } from '../netgear/address.ts';
import { checkModes } from '../netgear/modes.ts';
import { invalid, oneOf } from './problem.ts';

/** A parsed native client. */
export interface ListedAddress {
  /** Name of the client's stream; null for the first one. */
  readonly stream: string | null;
  readonly address: NativeClientAddress;
}

/**
 * Splits `NAME=REST`, where the name of a stream is optional. Neither a URL nor an address has a `=` before its first
 * `:`.
 *
 * @throws {GearwayError} `option-invalid` for a name that no stream can have.
 */
export function splitName(text: string): { readonly stream: string | null; readonly rest: string } {
  const [, stream = null, rest = text] = /^([^=:/?]*)=(.*)$/s.exec(text) ?? [];
  if (stream !== null && !/^[A-Za-z0-9_-]{1,64}$/.test(stream))
    throw invalid(`the name ${quoteText(stream)} of a stream is invalid, expected 1 to 64 letters, digits, - and _`);
  return { stream, rest };
}

/**
 * Parses a native client as in `--client` and the API: `tcp://HOST:PORT?…`, with `NAME=` before it for a stream other
 * than the first.
 */
export function resolveClient(text: string): ListedAddress {
  const { stream, rest } = splitName(text);
  const { endpoints, ports, pattern, security, options } = parseNetGearAddress(rest, [
    'id',
    'serverPort',
    'fps',
    'pace',
  ]);
  const [endpoint = '', port = ''] = [endpoints[0], ports[0]];
  if (endpoint.startsWith('tcp://*:')) {
    const expected = `the machine on which the client runs, such as tcp://127.0.0.1:${port} for this one`;
    throw new GearwayError(
      'address-invalid',
      `client ${rest} names no machine (* is for an address to listen on), expected ${expected}`,
    );
  }
  if (ports.length > 1) {
    const hint =
      'list clients separately; for a receiver in multi-servers mode list one of its ports, with serverPort=';
    throw invalid(`client ${rest} has ${ports.length} ports, expected 1; ${hint}`);
  }
  const serverPort = options.get('serverPort') ?? null;
  checkModes({ pattern, multiclient: false, multiserver: serverPort !== null, bidirectional: false, ports: 1 });
  const fps = options.get('fps');
  if (fps !== undefined && !(Number(fps) >= 0.1 && Number(fps) <= 1000))
    throw invalid(`client ${rest} has fps=${fps}, expected 0.1 to 1000`);
  return {
    stream,
    address: {
      endpoint,
      pattern,
      security,
      port: portOption(rest, 'id', options.get('id') ?? port),
      serverPort: serverPort === null ? null : String(portOption(rest, 'serverPort', serverPort)),
      maxFramesPerSecond: fps === undefined ? Infinity : Number(fps),
      paced: oneOf('pace', options.get('pace') ?? 'auto', ['auto', 'off']) === 'auto',
    },
  };
}

function portOption(client: string, name: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
    throw invalid(`client ${client} has ${name}=${text}, expected a port number`);
  }
  return Number(text);
}

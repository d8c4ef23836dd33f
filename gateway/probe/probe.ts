import { GearwayError } from '../../shared/errors.ts';
import { parseNetGearAddress } from '../netgear/address.ts';
import type { Security } from '../netgear/curve-keys.ts';
import { hasKeys } from '../netgear/key-files.ts';
import type { Pattern } from '../netgear/pattern.ts';
import { probeZmtpPeer } from '../netgear/zmtp-peer.ts';
import { bad, type Finding } from './finding.ts';
import { probeClient } from './probe-client.ts';
import { probeServer } from './probe-server.ts';

/** What else an address may say to the gateway: it is taken as it stands in a command line, and means nothing here. */
const GATEWAY_OPTIONS = ['allow', 'id', 'serverPort', 'fps', 'pace', 'multiclient', 'multiserver', 'returns', 'capturedAt'];

/** What is probed. */
export interface ProbeTarget {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`. */
  readonly endpoint: string;
  readonly port: string;
  /** What the address says; null when it says none. */
  readonly pattern: Pattern | null;
  readonly security: Security | null;
  /** How long frames are exchanged. */
  readonly seconds: number;
}

/**
 * Finds out what is at an address, by playing the other half of a NetGear pair for a few seconds: a server when a client listens there, a client
 * when nobody does.
 *
 * @param address as `--client` and `--source netgear:` take it.
 * @param say told each finding as soon as it is known.
 * @returns whether all of them are good.
 * @throws {GearwayError} for an address that makes no sense, and keys that cannot be read.
 */
export async function probe(address: string, seconds: number, say: (finding: Finding) => void): Promise<boolean> {
  const { endpoints, ports, pattern, security } = parseNetGearAddress(address.replace(/^netgear:/, ''), GATEWAY_OPTIONS);
  const [endpoint, port] = [endpoints[0], ports[0]];
  if (endpoint === undefined || port === undefined || ports.length > 1) throw new GearwayError('option-invalid', `address ${address} names ${ports.length} ports, expected 1: probe one after another`);
  const target: ProbeTarget = { endpoint, port, pattern: /[?&]pattern=/.test(address) ? pattern : null, security, seconds };
  let isGood = true;
  await look(target, (finding) => {
    isGood &&= finding.isGood;
    say(finding);
  });
  return isGood;
}

async function look(target: ProbeTarget, say: (finding: Finding) => void): Promise<void> {
  const { endpoint, security } = target;
  // Connecting would make new keys, which fit no peer.
  if (security !== null && !hasKeys(security.folder)) {
    say(bad(`There are no keys in ${security.folder}: copy that folder from the other end, or say with keys= where ours are.`));
    return;
  }
  const found = await probeZmtpPeer(endpoint.replace('tcp://*:', 'tcp://127.0.0.1:'));
  switch (found.kind) {
    case 'zmtp':
      await probeClient(target, found, say);
      return;
    case 'foreign':
      say(bad(`Something listens at ${endpoint} that does not speak ZeroMQ: another program has this port. Stop it, or take another port at both ends.`));
      return;
    case 'silent':
      say(bad(`Something accepts connections at ${endpoint} and says nothing: a NetGear client that is stopped (a debugger, Ctrl-Z), or another program. Let it run on, or start it anew.`));
      return;
    case 'nobody':
      if (found.code === 'ECONNREFUSED' || found.code === 'ENOENT') await probeServer(target, say);
      else say(bad(`${endpoint} cannot be reached (${found.code}): check the address, the network and the firewall of that machine.`));
      return;
    default:
      found satisfies never;
  }
}

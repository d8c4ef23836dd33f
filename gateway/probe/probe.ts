import { GearwayError } from '../../shared/errors.ts';
import { parseNetGearAddress } from '../netgear/address.ts';
import { hasKeys } from '../netgear/key-files.ts';
import { probeZmtpPeer } from '../netgear/zmtp-peer.ts';
import { bad, type Finding } from './finding.ts';
import { probeClient } from './probe-client.ts';
import { probeServer } from './probe-server.ts';
import type { ProbeTarget } from './probe-target.ts';

/**
 * Options of the gateway's addresses that are accepted, so that an address can be copied from a command line, but
 * ignored here.
 */
const GATEWAY_OPTIONS = [
  'allow',
  'id',
  'serverPort',
  'fps',
  'pace',
  'multiclient',
  'multiserver',
  'returns',
  'capturedAt',
];

/**
 * Diagnoses an address by acting as the other side of a NetGear connection for a few seconds: as a server if a client is
 * listening, and otherwise as a client.
 *
 * @param address as in `--client` and `--source netgear:`.
 * @param report called for each finding as soon as it is known.
 * @returns whether there are no problems.
 * @throws {GearwayError} for an invalid address, and for keys that cannot be read.
 */
export async function probe(address: string, seconds: number, report: (finding: Finding) => void): Promise<boolean> {
  const { endpoints, ports, pattern, security } = parseNetGearAddress(
    address.replace(/^netgear:/, ''),
    GATEWAY_OPTIONS,
  );
  const [endpoint, port] = [endpoints[0], ports[0]];
  if (endpoint === undefined || port === undefined || ports.length > 1)
    throw new GearwayError(
      'option-invalid',
      `address ${address} has ${ports.length} ports, expected 1: probe them separately`,
    );
  const target: ProbeTarget = {
    endpoint,
    port,
    pattern: /[?&]pattern=/.test(address) ? pattern : null,
    security,
    seconds,
  };
  let isGood = true;
  await diagnose(target, (finding) => {
    isGood &&= finding.isGood;
    report(finding);
  });
  return isGood;
}

async function diagnose(target: ProbeTarget, report: (finding: Finding) => void): Promise<void> {
  const { endpoint, security } = target;
  // Otherwise connecting would create new keys, which match no peer.
  if (security !== null && !hasKeys(security.folder)) {
    report(
      bad(
        `There are no keys in ${security.folder}: copy that folder from the other side, or specify another one with keys=.`,
      ),
    );
    return;
  }
  const found = await probeZmtpPeer(endpoint.replace('tcp://*:', 'tcp://127.0.0.1:'));
  switch (found.kind) {
    case 'zmtp':
      await probeClient(target, found, report);
      return;
    case 'foreign':
      report(
        bad(
          `The program at ${endpoint} does not speak ZeroMQ: another program uses this port. Stop it, or use another port on both sides.`,
        ),
      );
      return;
    case 'silent':
      report(
        bad(
          `The program at ${endpoint} accepts connections but does not respond: it is stopped (a debugger, Ctrl-Z), or not a NetGear client. Resume or restart it.`,
        ),
      );
      return;
    case 'nobody':
      if (found.code === 'ECONNREFUSED' || found.code === 'ENOENT') await probeServer(target, report);
      else
        report(
          bad(
            `${endpoint} cannot be reached (${found.code}): check the address, the network and the firewall of that machine.`,
          ),
        );
      return;
    default:
      found satisfies never;
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { NetGearFrame } from '../netgear/frame-codec.ts';
import { type Pattern, patternOfSocket } from '../netgear/pattern.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import { NOTHING_RETURNED } from '../netgear/reply-codec.ts';
import { ServerConnection } from '../netgear/server-connection.ts';
import { bad, good, rounded, type Report, shown } from './finding.ts';
import { awaitZmtpPeer } from './greeting-listener.ts';
import { candidates, reportPattern } from './patterns.ts';
import type { ProbeTarget } from './probe-target.ts';

const CONNECT_TIMEOUT_MS = 2000;
const POLL_MS = 50;

/** Acts as a client for a server that connects: receives and answers its frames, and examines them. */
export async function probeServer(target: ProbeTarget, report: Report): Promise<void> {
  const { endpoint, security, seconds } = target;
  let peer: Awaited<ReturnType<typeof awaitZmtpPeer>>;
  try {
    peer = await awaitZmtpPeer(endpoint, 1000 * seconds);
  } catch (error) {
    const cause = `the probe cannot wait for a server there (${errorText(error)})`;
    report(
      bad(
        `No client is listening at ${endpoint}, and ${cause}. Start the NetGear client there, or run the probe on that machine.`,
      ),
    );
    return;
  }
  if (peer === null) {
    const remedy = 'Start one of them; the client binds this address, the server connects to it.';
    report(
      bad(
        `No peer found: no client is listening at ${endpoint}, and no server connected to it within ${seconds} s. ${remedy}`,
      ),
    );
    return;
  }
  if (peer.kind !== 'zmtp') {
    report(bad(`A program that does not speak ZeroMQ connects to ${endpoint}.`));
    return;
  }
  const actual = peer.socketType === null ? null : patternOfSocket(peer.socketType, 'server');
  if (peer.socketType !== null && actual === null) {
    const question = 'Is it a receiver instead of a sender (receive_mode), or another program?';
    report(
      bad(
        `A ${peer.socketType} socket connects to ${endpoint}, expected a NetGear server (PAIR, REQ or PUB). ${question}`,
      ),
    );
    return;
  }
  report(good(`A NetGear server connects to ${endpoint}: its client must bind this address.`));
  if (peer.mechanism !== 'NULL' && security === null) {
    report(
      bad(
        'It is in secure mode, but the address is not: add secure=1 or secure=2, and keys= if our keys are not in ~/.vidgear/keys.',
      ),
    );
    return;
  }
  if (peer.mechanism === 'NULL' && security !== null) {
    report(bad('It is not in secure mode, but the address is: set its secure_mode, or omit secure=.'));
    return;
  }
  await receive(target, actual, report);
}

/** Summary of the frames that a server has sent. */
interface ReceivedFrames {
  count: number;
  rejected: string | null;
  first: NetGearFrame | null;
  message: string | null;
  sinceMs: number;
  untilMs: number;
  hasEnded: boolean;
}

async function receive(target: ProbeTarget, actual: Pattern | null, report: Report): Promise<void> {
  const { endpoint, port, security, seconds, pattern: wanted } = target;
  let refusal = '';
  for (const pattern of candidates(actual, wanted)) {
    const received: ReceivedFrames = {
      count: 0,
      rejected: null,
      first: null,
      message: null,
      sinceMs: 0,
      untilMs: 0,
      hasEnded: false,
    };
    const connection = new ServerConnection(
      { endpoint, port, pattern, security },
      {
        received: (frame) => {
          received.untilMs = performance.now();
          if (received.count === 0) received.sinceMs = received.untilMs;
          received.count += 1;
          received.first ??= { ...frame, payload: new Uint8Array(0) };
          if (frame.message !== null) received.message ??= formatPythonJson(frame.message);
          return NOTHING_RETURNED;
        },
        rejected: (error) => {
          received.rejected = errorText(error);
        },
        ended: () => (received.hasEnded = true),
        unanswered: () => undefined,
        failed: (error) => {
          received.rejected = errorText(error);
        },
      },
    );
    try {
      await openSoon(connection);
      await until(CONNECT_TIMEOUT_MS, () => connection.state().startsWith('connected'));
      if (connection.state().startsWith('connected')) {
        reportPattern(wanted, pattern, report);
        if (security !== null) report(good('Its keys match ours: the connection is encrypted.'));
        let mostPeers = 1;
        await until(1000 * seconds, () => {
          mostPeers = Math.max(mostPeers, connection.peers);
          return received.hasEnded;
        });
        reportFrames(received, seconds, report);
        reportSeveral(mostPeers, connection.hasWaitingServer, received, report);
        return;
      }
      refusal = connection.state();
    } catch (error) {
      if (!(error instanceof GearwayError) || error.code !== 'source-unavailable') throw error;
      report(bad(`A server was found, but ${error.message}. Use a free local address for the client.`));
      return;
    } finally {
      await connection.close();
    }
    // Refused because of its key or address, so another pattern would not help.
    if (/key|allow lists/.test(refusal)) break;
  }
  const hint =
    security?.mode === 'ironhouse'
      ? ` With secure=2 its public_keys/client.key must be in ${security.folder}/public_keys.`
      : '';
  report(bad(`It cannot connect: ${refusal.replace(/^listening;? ?/, '') || 'it has disconnected'}.${hint}`));
}

function reportFrames(
  { count, rejected, first, message, sinceMs, untilMs, hasEnded }: ReceivedFrames,
  seconds: number,
  report: Report,
): void {
  if (rejected !== null) report(bad(`It sends invalid frames: ${rejected}.`));
  if (first === null) {
    const cause = 'its program does not call send(), or is waiting for its camera';
    report(
      bad(`It is connected, but has sent nothing for ${seconds} s: ${cause}${hasEnded ? '; then it terminated' : ''}.`),
    );
    return;
  }
  const { encoding, width, height, colorspace, serverPort } = first;
  const picture =
    encoding.kind === 'jpeg'
      ? `JPEG of ${width}×${height} pixels, colour space ${colorspace}`
      : `raw ${encoding.dtype} of shape (${encoding.shape.join(', ')})`;
  const rate = count > 1 ? `, ${rounded((1000 * (count - 1)) / (untilMs - sinceMs))} fps` : '';
  report(good(`It sends ${picture}${rate}.`));
  report(good(message === null ? 'Its frames have no message.' : `Its frames have a message: ${shown(message)}.`));
  if (serverPort !== null) report(good(`It is in multi-servers mode, as port ${serverPort}: use multiserver=true.`));
  if (hasEnded) report(good('It has terminated normally.'));
}

/** More than one server is valid only in multi-servers mode, where each sends its port. */
function reportSeveral(peers: number, hasWaitingServer: boolean, { first }: ReceivedFrames, report: Report): void {
  if (hasWaitingServer) {
    report(
      bad(
        'Another server tries to connect, but a PAIR socket accepts only one. Stop one of them, or give each its own port.',
      ),
    );
  }
  if (peers < 2 || (first !== null && first.serverPort !== null)) return;
  const remedy = 'stop all but one, give each its own port, or set multiserver_mode on both sides';
  report(bad(`${peers} servers are connected, and their frames are mixed: ${remedy}.`));
}

/** Opens a connection, with retries, because ZeroMQ frees an address asynchronously after its socket is closed. */
async function openSoon(connection: ServerConnection): Promise<void> {
  for (const endMs = performance.now() + CONNECT_TIMEOUT_MS; ;) {
    try {
      await connection.open();
      return;
    } catch (error) {
      if (!(error instanceof GearwayError) || error.code !== 'source-unavailable' || performance.now() > endMs)
        throw error;
      await sleep(POLL_MS);
    }
  }
}

async function until(timeoutMs: number, isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs && !isSo();) await sleep(POLL_MS);
}

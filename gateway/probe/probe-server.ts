import { setTimeout as sleep } from 'node:timers/promises';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { NetGearFrame } from '../netgear/frame-codec.ts';
import { type Pattern, patternOfSocket } from '../netgear/pattern.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import { NOTHING_RETURNED } from '../netgear/reply-codec.ts';
import { ServerConnection } from '../netgear/server-connection.ts';
import { bad, good, rounded, type Say, shown } from './finding.ts';
import { awaitZmtpPeer } from './greeting-listener.ts';
import { candidates, sayPattern } from './patterns.ts';
import type { ProbeTarget } from './probe.ts';

const CONNECT_TIMEOUT_MS = 2000;
const POLL_MS = 50;

/** Plays a client for the server that connects there: takes its frames, answers them, and looks at what they are. */
export async function probeServer(target: ProbeTarget, say: Say): Promise<void> {
  const { endpoint, security, seconds } = target;
  let look: Awaited<ReturnType<typeof awaitZmtpPeer>>;
  try {
    look = await awaitZmtpPeer(endpoint, 1000 * seconds);
  } catch (error) {
    say(bad(`Nobody listens at ${endpoint}, and it is no address of this machine at which a server could be waited for (${errorText(error)}). Start the NetGear client there, or probe on that machine.`));
    return;
  }
  if (look === null) {
    say(bad(`Nobody is there: no client listens at ${endpoint}, and no server connected to it within ${seconds} s. Start one of them; the client binds this address, the server connects to it.`));
    return;
  }
  if (look.kind !== 'zmtp') {
    say(bad(`Something connects to ${endpoint} that does not speak ZeroMQ.`));
    return;
  }
  const actual = look.socketType === null ? null : patternOfSocket(look.socketType, 'server');
  if (look.socketType !== null && actual === null) {
    say(bad(`A ${look.socketType} socket connects to ${endpoint}: no NetGear server, which is a PAIR, REQ or PUB. Is it a client with receive_mode=False missing, or another program?`));
    return;
  }
  say(good(`A NetGear server connects to ${endpoint}: the client that shall receive from it binds there.`));
  if (look.mechanism !== 'NULL' && security === null) {
    say(bad('It is in secure mode, and the address is not: add secure=1 or secure=2, and keys= where our keys are not in ~/.vidgear/keys.'));
    return;
  }
  if (look.mechanism === 'NULL' && security !== null) {
    say(bad('It is not in secure mode, and the address is: give it secure_mode, or leave out secure=.'));
    return;
  }
  await receive(target, actual, say);
}

interface Received {
  count: number;
  rejected: string | null;
  first: NetGearFrame | null;
  message: string | null;
  sinceMs: number;
  untilMs: number;
  hasEnded: boolean;
}

async function receive(target: ProbeTarget, actual: Pattern | null, say: Say): Promise<void> {
  const { endpoint, port, security, seconds, pattern: wanted } = target;
  let refusal = '';
  for (const pattern of candidates(actual, wanted)) {
    const received: Received = { count: 0, rejected: null, first: null, message: null, sinceMs: 0, untilMs: 0, hasEnded: false };
    const connection = new ServerConnection({ endpoint, port, pattern, security }, {
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
    });
    try {
      await openSoon(connection);
      await until(CONNECT_TIMEOUT_MS, () => connection.state().startsWith('connected'));
      if (connection.state().startsWith('connected')) {
        sayPattern(wanted, pattern, say);
        if (security !== null) say(good('Its keys and ours fit: the connection is encrypted.'));
        let mostPeers = 1;
        await until(1000 * seconds, () => {
          mostPeers = Math.max(mostPeers, connection.peers);
          return received.hasEnded;
        });
        sayFrames(received, seconds, say);
        saySeveral(mostPeers, connection.hasWaitingServer, received, say);
        return;
      }
      refusal = connection.state();
    } catch (error) {
      if (!(error instanceof GearwayError) || error.code !== 'source-unavailable') throw error;
      say(bad(`A server is there, and ${error.message}. Give the client an address of this machine that is free.`));
      return;
    } finally {
      await connection.close();
    }
    // Refused by its key: no other pattern would help.
    if (/key|allow lists/.test(refusal)) break;
  }
  const hint = security?.mode === 'ironhouse' ? ` With secure=2 its public_keys/client.key must be in our public_keys folder, ${security.folder}.` : '';
  say(bad(`It does not get through: ${refusal.replace(/^listening;? ?/, '') || 'it has gone'}.${hint}`));
}

function sayFrames({ count, rejected, first, message, sinceMs, untilMs, hasEnded }: Received, seconds: number, say: Say): void {
  if (rejected !== null) say(bad(`It sends what is no NetGear frame: ${rejected}.`));
  if (first === null) {
    say(bad(`It sends nothing for ${seconds} s: it is connected, and its program does not call send(), or waits for its camera${hasEnded ? '; then it ended' : ''}.`));
    return;
  }
  const { encoding, width, height, colorspace, serverPort } = first;
  const picture = encoding.kind === 'jpeg' ? `JPEG of ${width}×${height} pixels, colour space ${colorspace}` : `raw ${encoding.dtype} of shape (${encoding.shape.join(', ')})`;
  const rate = count > 1 ? `, ${rounded((1000 * (count - 1)) / (untilMs - sinceMs))} frames/s` : '';
  say(good(`It sends ${picture}${rate}.`));
  say(good(message === null ? 'No message comes with the frames.' : `A message comes with the frames: ${shown(message)}.`));
  if (serverPort !== null) say(good(`It is in multi-servers mode, as port ${serverPort}: use multiserver=true.`));
  if (hasEnded) say(good('It has ended meanwhile, and said so.'));
}

/** Several servers are right in multi-servers mode alone, where each says its port. */
function saySeveral(peers: number, hasWaitingServer: boolean, { first }: Received, say: Say): void {
  if (hasWaitingServer) say(bad('Another server tries to connect, and a PAIR socket serves one: its frames do not arrive. End one of them, or give each a port of its own.'));
  if (peers < 2 || (first !== null && first.serverPort !== null)) return;
  say(bad(`${peers} servers are connected, and their frames are mixed: end all but one, give each a port of its own, or set multiserver_mode at both ends.`));
}

/** ZeroMQ frees an address only some time after its socket was closed. */
async function openSoon(connection: ServerConnection): Promise<void> {
  for (const endMs = performance.now() + CONNECT_TIMEOUT_MS; ; ) {
    try {
      await connection.open();
      return;
    } catch (error) {
      if (!(error instanceof GearwayError) || error.code !== 'source-unavailable' || performance.now() > endMs) throw error;
      await sleep(POLL_MS);
    }
  }
}

async function until(timeoutMs: number, isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs && !isSo(); ) await sleep(POLL_MS);
}

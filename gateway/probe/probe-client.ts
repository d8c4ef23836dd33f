import { setTimeout as sleep } from 'node:timers/promises';
import { errorText } from '../../shared/errors.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { ClientConnection } from '../netgear/client-connection.ts';
import { encodeFrameHeader } from '../netgear/frame-codec.ts';
import { type Pattern, patternOfSocket } from '../netgear/pattern.ts';
import { parsePythonObject } from '../codecs/python-json.ts';
import { decodeReply } from '../netgear/reply-codec.ts';
import type { ZmtpPeer } from '../netgear/zmtp-peer.ts';
import { bad, good, rounded, type Report, shown } from './finding.ts';
import { candidates, reportPattern } from './patterns.ts';
import type { ProbeTarget } from './probe-target.ts';

const READY_TIMEOUT_MS = 3000;
const FRAME_INTERVAL_MS = 200;
const MAX_IN_FLIGHT = 2;

/**
 * Number of unanswered pictures that is normal at the end; a client that hangs leaves all pictures in flight
 * unanswered.
 */
const UNANSWERED_AT_END = MAX_IN_FLIGHT - 1;

/** Acts as a server for a client: sends it a few pictures per second, and examines its replies. */
export async function probeClient(target: ProbeTarget, peer: ZmtpPeer, report: Report): Promise<void> {
  const { endpoint, security } = target;
  const type = peer.socketType;
  const actual = type === null ? null : patternOfSocket(type);
  if (type !== null && actual === null) {
    report(
      bad(
        `A ${type} socket is listening at ${endpoint}, expected a NetGear client (PAIR, REP or SUB). Is it a server, or another program?`,
      ),
    );
    return;
  }
  report(good(`A NetGear client is listening at ${endpoint}: it binds, and a server connects to it.`));
  if (peer.mechanism !== 'NULL' && security === null) {
    report(
      bad(
        'It is in secure mode, but the address is not: add secure=1 or secure=2, and keys= if its keys are not in ~/.vidgear/keys.',
      ),
    );
    return;
  }
  if (peer.mechanism === 'NULL' && security !== null) {
    const cause = 'A client without data for 12 s binds again without encryption: restart it.';
    report(bad(`It is not in secure mode, but the address is: set its secure_mode, or omit secure=. ${cause}`));
    return;
  }
  if (actual !== null) reportPattern(target.pattern, actual, report);
  for (const pattern of candidates(actual, target.pattern)) {
    const result = await exchange(target, pattern, actual === null, report);
    if (result === 'done') return;
  }
  if (security === null) {
    const cause = 'it is not a NetGear client, or has just exited';
    report(bad(`It closes the connection during the handshake with every pattern: ${cause}. Restart the client.`));
    return;
  }
  const key = `${security.folder}/public_keys/server.key`;
  report(bad(`It does not accept our keys: ${key} must match its private_keys/server.key_secret. Copy it from there.`));
}

interface Answers {
  count: number;
  roundTripMs: number;
  last: Uint8Array[] | null;
}

/** @returns `misfit` if the handshake fails, and another pattern may work. */
async function exchange(
  target: ProbeTarget,
  pattern: Pattern,
  isGuess: boolean,
  report: Report,
): Promise<'done' | 'misfit'> {
  const { endpoint, security, seconds } = target;
  const answers: Answers = { count: 0, roundTripMs: Infinity, last: null };
  let settle: (state: string) => void = () => undefined;
  const settled = new Promise<string>((resolve) => (settle = resolve));
  const connection = new ClientConnection(
    { endpoint, pattern, security },
    {
      changed: (state) => settle(state),
      replied: (parts, roundTripMs) => {
        answers.count += 1;
        answers.roundTripMs = Math.min(answers.roundTripMs, roundTripMs);
        answers.last = parts.map((part) => new Uint8Array(part));
      },
      failed: (error) => report(bad(`Its reply is invalid: ${errorText(error)}.`)),
    },
  );
  try {
    const state = await Promise.race([settled, sleep(READY_TIMEOUT_MS, 'time')]);
    if (state !== 'ready') {
      if (connection.handshakeFailure === 'refused') {
        const copy = `copy ${security?.folder ?? ''}/public_keys/client.key into its public_keys folder, and restart it`;
        const key =
          security?.mode === 'ironhouse'
            ? `In secure mode 2 (IronHouse) it accepts only keys that it had when it started: ${copy}. `
            : '';
        report(
          bad(`It refuses this machine. ${key}In secure mode it also accepts only the IP address in its own options.`),
        );
        return 'done';
      }
      if (isGuess) return 'misfit';
      report(bad(`The handshake fails: ${connection.reason}.`));
      return 'done';
    }
    if (security !== null) report(good('It accepts our keys: the connection is encrypted.'));
    if (isGuess) reportPattern(target.pattern, pattern, report);
    const sent = await sendPictures(connection, target.port, pattern, seconds);
    reportAnswers(target, pattern, sent, answers, connection.reason, report);
    return 'done';
  } finally {
    connection.close();
  }
}

/**
 * Sends pictures with a port in the header: a client in multi-servers mode, which cannot be detected, crashes without
 * it. Other clients ignore the port.
 */
async function sendPictures(
  connection: ClientConnection,
  serverPort: string,
  pattern: Pattern,
  seconds: number,
): Promise<number> {
  const [width, height] = [320, 240];
  const jpeg = await encodeJpeg({ data: new Uint8Array(width * height * 3).fill(96), width, height, channels: 3 });
  let sent = 0;
  for (const endMs = performance.now() + 1000 * seconds; performance.now() < endMs;) {
    const header = encodeFrameHeader({ kind: 'jpeg' }, `{"probe": ${sent + 1}}`, {
      pattern,
      serverPort,
      dropMessage: false,
    });
    if (connection.inFlight < MAX_IN_FLIGHT && (await connection.send(header, jpeg))) sent += 1;
    await sleep(FRAME_INTERVAL_MS);
  }
  return sent;
}

function reportAnswers(
  { endpoint }: ProbeTarget,
  pattern: Pattern,
  sent: number,
  { count, roundTripMs, last }: Answers,
  reason: string,
  report: Report,
): void {
  if (pattern === 'publish-subscribe') {
    if (sent === 0) report(bad(`It accepted no picture: ${reason}.`));
    else report(good(`It has subscribed, and was sent ${sent} pictures. In pattern 2 there are no replies.`));
    return;
  }
  if (last === null) {
    const causes =
      'another server is already connected to it, or its receiver thread has crashed (the process keeps running)';
    report(bad(`It answered none of ${sent} pictures: ${causes}. Stop the other server, or restart the client.`));
    return;
  }
  if (sent - count > UNANSWERED_AT_END) {
    const causes = 'its receiver thread has crashed, or its program was stopped';
    report(bad(`It answered ${count} of ${sent} pictures, and then stopped: ${causes}. Restart the client.`));
    return;
  }
  try {
    report(
      good(`It answered ${count} of ${sent} pictures, the fastest in ${rounded(roundTripMs)} ms; ${describe(last)}.`),
    );
  } catch (error) {
    report(bad(`Its reply is not a NetGear reply (${errorText(error)}). Is there another program at ${endpoint}?`));
  }
}

/** Describes the client's mode and return data from a reply. */
function describe(parts: Uint8Array[]): string {
  const reply = decodeReply(parts);
  if (reply.kind === 'text') return 'it is neither bidirectional nor in multi-clients mode, and returns nothing';
  const { fields } = parsePythonObject(Buffer.from(parts[0] ?? new Uint8Array()).toString());
  const port = fields['port'];
  const mode = port === undefined ? 'in bidirectional mode' : `in multi-clients mode as port ${JSON.stringify(port)}`;
  switch (reply.kind) {
    case 'value':
      return `it is ${mode} and returns ${shown(reply.json)} (${String(fields['return_type'] as unknown)})`;
    case 'array':
      return `it is ${mode} and returns an array of ${reply.array.dtype}, shape (${reply.array.shape.join(', ')})`;
    case 'jpeg':
      return `it is ${mode} and returns an array as JPEG, ${reply.colorspace}, ${reply.data.byteLength} bytes`;
    case 'termination':
      return 'it has terminated';
    default:
      return reply satisfies never;
  }
}

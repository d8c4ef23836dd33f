import { mutate, mutations } from '../mutations.ts';
import type { Samples } from '../pictures.ts';
import type { Random } from '../random.ts';
import type { Script, Step } from '../script.ts';
import { anyAddress, ending, sendSteps, type Target } from '../target.ts';
import type { ZmqPort } from '../world.ts';
import { command, frame, greeting, message, ready, SOCKET_TYPES } from '../zmtp.ts';
import { asyncFrame, imagezmqPicture, netgearFrame } from './zmq-messages.ts';

/** Peers of the socket type that each of the gateway's sockets expects. */
const PARTNER: Readonly<Record<ZmqPort['socket'], string>> = { REP: 'REQ', PAIR: 'PAIR', SUB: 'PUB', PULL: 'PUSH' };
const PATTERN: Readonly<Record<ZmqPort['socket'], string>> = { PAIR: '0', REP: '1', SUB: '2', PULL: '3' };

/**
 * Ports that the gateway binds: stray connections of other protocols, and ZMTP peers of every type that send valid or
 * almost valid frames.
 */
export function zmqTarget(samples: Samples): Target {
  return {
    name: 'zmq',
    summary: 'stray connections and ZMTP peers on each port that a source binds',
    concurrency: 8,
    perSecond: 60,
    create: (random, world) => {
      const port = random.pick(world.zmq);
      return random.times(
        random.weighted([
          [40, 1],
          [1, 20],
        ]),
        () =>
          random.weighted<() => Script>([
            [port.isFramesAllowed ? 3 : 6, () => stray(random, port)],
            [6, () => peer(random, port, samples)],
            [0.5, () => flood(random, port)],
          ])(),
      );
    },
    answers: (outcome) => [outcome.end],
  };
}

/** Data that reaches an open port by mistake, or because of a port scan. */
const STRAYS: readonly (readonly [what: string, bytes: (random: Random) => Buffer])[] = [
  ['ZMTP 1.0 without delimiter', () => Buffer.from('0100060068656c6c6f', 'hex')],
  [
    'browser',
    (random) =>
      Buffer.from(
        `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: ${'Mozilla/5.0 '.repeat(random.pick([1, 40]))}\r\n\r\n`,
      ),
  ],
  ['TLS hello', (random) => Buffer.concat([Buffer.from('16030100f8010000f40303', 'hex'), random.bytes(240)])],
  ['SSH', (random) => Buffer.concat([Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), random.bytes(random.pick([0, 600]))])],
  ['RTSP', () => Buffer.from('OPTIONS rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\n\r\n')],
  ['noise', (random) => random.bytes(random.between(1, 2000))],
  ['zeros', (random) => Buffer.alloc(random.pick([1, 10, 64, 5000]))],
  ['ones', (random) => Buffer.alloc(random.pick([1, 10, 64, 5000]), 0xff)],
  ['ZMTP 2.0', () => Buffer.from('ff00000000000000017f01030000', 'hex')],
  ['nothing', () => Buffer.alloc(0)],
];

function stray(random: Random, { port, socket }: ZmqPort): Script {
  const [what, make] = random.pick(STRAYS);
  const { last, lingerMs } = ending(random);
  return {
    what: `${what} at ${socket}`,
    port,
    from: anyAddress(random),
    steps: [...sendSteps(random, make(random)), ...last],
    lingerMs: Math.max(lingerMs, 20),
  };
}

/**
 * More messages than any high-water mark, PING commands between them, and a reset: libzmq 4.3.5 asserts in
 * `out_event()` when it reads a PING, or its own heartbeat is due, on a connection that was reset while its input had
 * stopped.
 */
function flood(random: Random, { port, socket }: ZmqPort): Script {
  return {
    what: `flood of PING at ${socket}`,
    port,
    from: anyAddress(random),
    steps: floodSteps(random, PARTNER[socket], socket === 'REP'),
    lingerMs: 0,
  };
}

/** @param isDelimited whether messages begin with an empty part. */
export function floodSteps(random: Random, type: string, isDelimited: boolean): Step[] {
  const small = message([...(isDelimited ? [Buffer.alloc(0)] : []), Buffer.from('x')]);
  const ping = command('PING', Buffer.alloc(2));
  const burst = Buffer.concat([...random.times(8, () => small), ping]);
  return [
    { kind: 'send', bytes: Buffer.concat([greeting(), ready({ 'Socket-Type': type })]) },
    { kind: 'read', ms: 300 },
    { kind: 'send', bytes: Buffer.concat(random.times(random.pick([40, 400, 1500]), () => burst)) },
    { kind: 'reset' },
  ];
}

function peer(random: Random, target: ZmqPort, samples: Samples): Script {
  const type = random.chance(0.6) ? PARTNER[target.socket] : random.pick(SOCKET_TYPES);
  const { last, lingerMs } = ending(random);
  const steps: Step[] = [...handshake(random, type)];
  for (let n = random.between(0, 20); n > 0; n -= 1) {
    steps.push(...sendSteps(random, anyMessage(random, target, samples)));
    if (random.chance(0.4)) steps.push({ kind: 'read', ms: random.between(1, 30) });
  }
  return {
    what: `${type.slice(0, 8)} peer at ${target.socket} ${target.codec}`,
    port: target.port,
    from: anyAddress(random),
    steps: [...steps, ...last],
    lingerMs,
  };
}

/** Greeting and READY, in one write or in steps, valid or almost valid. */
export function handshake(random: Random, type: string): Step[] {
  const hello = random.weighted<() => Buffer>([
    [12, () => greeting()],
    [
      1,
      () =>
        greeting(random.pick(['PLAIN', 'CURVE', 'GSSAPI', '', 'null', 'X'.repeat(20)]), { asServer: random.below(3) }),
    ],
    [1, () => greeting('NULL', { major: random.pick([0, 1, 2, 4, 255]), minor: random.below(256) })],
    [1, () => mutate(greeting(), random.sample(mutations))],
  ])();
  const properties: Record<string, string> = { 'Socket-Type': type };
  if (random.chance(0.2)) properties['Identity'] = random.pick(['', '\0', 'x'.repeat(255), 'a']);
  if (random.chance(0.1))
    properties[random.pick(['X-Any', 'socket-type', 'a'.repeat(255)])] = 'v'.repeat(random.pick([0, 1000]));
  const announce = random.weighted<() => Buffer>([
    [12, () => ready(properties)],
    [1, () => Buffer.alloc(0)],
    [1, () => command(random.pick(['ERROR', 'HELLO', 'READY', 'SUBSCRIBE', '']), random.bytes(random.below(40)))],
    [1, () => mutate(ready(properties), random.sample(mutations))],
  ])();
  return random.chance(0.5)
    ? [
        { kind: 'send', bytes: hello },
        { kind: 'read', ms: 100 },
        { kind: 'send', bytes: announce },
        { kind: 'read', ms: 100 },
      ]
    : [{ kind: 'send', bytes: Buffer.concat([hello, announce]) }];
}

function anyMessage(random: Random, { socket, codec, isFramesAllowed }: ZmqPort, samples: Samples): Buffer {
  const parts = !isFramesAllowed
    ? random.times(random.pick([0, 1, 2, 3, 40]), () => random.bytes(random.below(300)))
    : codec === 'netgear'
      ? netgearFrame(random, samples, PATTERN[socket])
      : codec === 'imagezmq'
        ? imagezmqPicture(random, samples)
        : asyncFrame(random);
  const delimiter = socket === 'REP' ? [Buffer.alloc(0)] : [];
  return random.weighted<() => Buffer>([
    [12, () => message([...delimiter, ...parts])],
    [1, () => message(parts)],
    [1, () => message([...delimiter, ...delimiter, ...parts])],
    [1, () => message([...delimiter, ...parts.slice(0, 1)])],
    [1, () => message([...delimiter, ...parts, ...random.times(random.pick([1, 300]), () => Buffer.from('x'))])],
    [1, () => message([])],
    [1, () => message([Buffer.alloc(0)])],
    // A message that never ends.
    [1, () => frame(Buffer.from('x'), { more: true })],
    [
      1,
      () =>
        frame(random.bytes(20), {
          announced: random.pick([21n, 1000n, 64n << 20n, 65n << 20n, 2n ** 31n, 2n ** 63n, 2n ** 64n - 1n]),
        }),
    ],
    [
      1,
      () =>
        command(
          random.pick(['PING', 'PONG', 'SUBSCRIBE', 'CANCEL', 'ERROR', 'READY', 'X'.repeat(255)]),
          random.bytes(random.below(30)),
        ),
    ],
    [1, () => mutate(message([...delimiter, ...parts]), random.sample(mutations))],
  ])();
}

import { messageType } from '../../../shared/protocol.ts';
import { packValue } from '../message-pack.ts';
import { mutate, mutations } from '../mutations.ts';
import type { Random } from '../random.ts';
import type { Script, Step } from '../script.ts';
import { anyAddress, ending, sendSteps, serverErrors, type Target } from '../target.ts';
import { closePayload, encodeFragments, encodeFrame, opcode, upgradeRequest } from '../websocket-frames.ts';
import type { World } from '../world.ts';
import { encodeMessageBytes } from './protocol-messages.ts';
import { webSocketAnswers } from './viewer.ts';

/**
 * WebSocket framing itself: masks, reserved bits, opcodes, lengths, fragments, control frames, close codes, and
 * almost valid handshakes.
 */
export const framesTarget: Target = {
  name: 'frames',
  summary: 'raw WebSocket frames and handshakes',
  concurrency: 12,
  perSecond: 80,
  create: (random, world) =>
    random.times(
      random.weighted([
        [30, 1],
        [1, 40],
      ]),
      () => connection(random, world),
    ),
  answers: webSocketAnswers,
  judge: (_script, outcome) => serverErrors(outcome),
};

function connection(random: Random, world: World): Script {
  const { last, lingerMs } = ending(random);
  const path = random.chance(0.5)
    ? `/streams/${random.pick(world.viewed)}/ws`
    : `/streams/${random.pick(world.pushed)}/publish`;
  const upgrade = random.chance(0.2) ? oddUpgrade(random, world, path) : upgradeRequest(world.httpPort, path);
  const steps: Step[] = [...sendSteps(random, upgrade)];
  if (random.chance(0.6)) steps.push({ kind: 'read', ms: 200 });
  if (random.chance(0.7)) {
    const token = path.endsWith('ws') ? world.tokens.view : world.tokens.publish;
    steps.push({
      kind: 'send',
      bytes: encodeFrame(encodeMessageBytes(messageType.hello, packValue({ token, takeOver: true }))),
    });
  }
  for (let n = random.between(1, 20); n > 0; n -= 1) {
    steps.push(...sendSteps(random, oddFrame(random)));
    if (random.chance(0.15)) steps.push({ kind: 'read', ms: 20 });
  }
  return {
    what: `frames to ${path}`,
    port: world.httpPort,
    from: anyAddress(random),
    steps: [...steps, ...last],
    lingerMs,
  };
}

function oddUpgrade(random: Random, world: World, path: string): Buffer {
  const odd = random.pick<Readonly<Record<string, string>>>([
    { 'Sec-WebSocket-Version': random.pick(['0', '8', '14', '', '13, 8']) },
    { 'Sec-WebSocket-Key': random.pick(['', 'short', 'x'.repeat(2000), 'dGhlIHNhbXBsZSBub25jZQ']) },
    {
      'Sec-WebSocket-Protocol': random.pick(['', ',', 'gearway.v2', 'a b', 'gearway.v1, gearway.v1', 'x'.repeat(3000)]),
    },
    {
      'Sec-WebSocket-Extensions': random.pick([
        'permessage-deflate; client_max_window_bits',
        'permessage-deflate; server_max_window_bits=8',
        ';;;',
        'a="',
        'x;'.repeat(2000),
      ]),
    },
    { Upgrade: random.pick(['x', 'h2c', 'websocket, x', 'WEBSOCKET', '']) },
    { Connection: random.pick(['close', 'Upgrade, close', 'keep-alive', 'upgrade, HTTP2-Settings']) },
    { 'Content-Length': random.pick(['5', '0', '-1', '99999999999']) },
    { 'Transfer-Encoding': 'chunked' },
    { Host: random.pick(['evil.example', '', '127.0.0.1:1', 'localhost', '[::1]']) },
    { Origin: random.pick(['null', 'http://evil.example', 'file://', '']) },
  ]);
  const url = random.weighted<string>([
    [6, path],
    [1, '/%'],
    [1, '/%ff'],
    [1, '/'],
    [1, '/healthz'],
    [1, '/api/events'],
    [1, `http://127.0.0.1:${world.httpPort}${path}`],
    [1, `${path}?${'a'.repeat(500)}`],
    [1, '/%61pi/streams'],
  ]);
  const bytes = upgradeRequest(world.httpPort, url, odd);
  return random.chance(0.2) ? mutate(bytes, random.sample(mutations)) : bytes;
}

function oddFrame(random: Random): Buffer {
  const ping = encodeMessageBytes(messageType.ping, packValue({ id: random.below(1000) }));
  return random.weighted<() => Buffer>([
    [6, () => encodeFrame(ping)],
    [1, () => encodeFrame(ping, { masked: false })],
    [1, () => encodeFrame(ping, { rsv: random.between(1, 7) })],
    [1, () => encodeFrame(ping, { opcode: random.below(16) })],
    [1, () => encodeFrame(ping, { fin: false })],
    [1, () => encodeFrame(ping, { opcode: opcode.continuation })],
    [1, () => encodeFrame(ping, { lengthBytes: random.pick([2, 8] as const) })],
    [
      1,
      () =>
        encodeFrame(ping, {
          announced: random.pick([
            126n,
            65_535n,
            65_536n,
            8n << 20n,
            (8n << 20n) + 1n,
            2n ** 31n,
            2n ** 32n,
            2n ** 53n,
            2n ** 63n,
            2n ** 64n - 1n,
          ]),
        }),
    ],
    [
      2,
      () =>
        Buffer.concat(
          encodeFragments(
            ping,
            random.times(random.between(1, 12), () => random.below(ping.length)),
          ),
        ),
    ],
    // Empty fragments, and hundreds of fragments of one byte.
    [
      1,
      () =>
        Buffer.concat([
          encodeFrame(new Uint8Array(), { fin: false }),
          ...random.times(random.pick([1, 20, 400]), () =>
            encodeFrame(random.chance(0.5) ? new Uint8Array() : Buffer.of(1), {
              opcode: opcode.continuation,
              fin: false,
            }),
          ),
        ]),
    ],
    // Control frames: within a fragmented message, too long, fragmented, hundreds of them.
    [
      2,
      () =>
        Buffer.concat([
          encodeFrame(ping.subarray(0, 4), { fin: false }),
          encodeFrame(random.bytes(random.below(126)), { opcode: opcode.ping }),
          encodeFrame(ping.subarray(4), { opcode: opcode.continuation }),
        ]),
    ],
    [
      1,
      () =>
        encodeFrame(random.bytes(random.pick([0, 1, 125, 126, 200])), {
          opcode: random.pick([opcode.ping, opcode.pong, opcode.close]),
          fin: random.chance(0.8),
        }),
    ],
    [
      1,
      () =>
        Buffer.concat(
          random.times(random.pick([5, 200]), () =>
            encodeFrame(random.bytes(random.below(20)), { opcode: random.pick([opcode.ping, opcode.pong]) }),
          ),
        ),
    ],
    [1, () => encodeFrame(random.bytes(random.below(200)), { opcode: opcode.text })],
    [
      1,
      () =>
        encodeFrame(
          random.chance(0.1)
            ? Buffer.of(1)
            : closePayload(
                random.pick([
                  0, 999, 1000, 1001, 1004, 1005, 1006, 1009, 1011, 1015, 2999, 3000, 4000, 4999, 5000, 65_535,
                ]),
                random.chance(0.5) ? random.bytes(random.below(123)) : Buffer.from('bye'),
              ),
          { opcode: opcode.close },
        ),
    ],
    [1, () => mutate(encodeFrame(ping), random.sample(mutations))],
    [1, () => random.bytes(random.between(1, 60))],
  ])();
}

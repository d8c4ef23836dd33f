import { messageType } from '../../../shared/protocol.ts';
import { type Packable, packValue } from '../message-pack.ts';
import { damageJpeg, type Samples, scanBomb } from '../pictures.ts';
import type { Random } from '../random.ts';
import type { Outcome, Script, Step } from '../script.ts';
import { anyAddress, ending, httpStatuses, sendSteps, serverErrors, type Target } from '../target.ts';
import { encodeFragments, encodeFrame, ServerFrames, upgradeRequest } from '../websocket-frames.ts';
import type { World } from '../world.ts';
import { encodeHostile, encodeMessageBytes, helloFields, viewerFields } from './protocol-messages.ts';

/** Sticky arrays of this size, from this number of viewers, exceed the maximum length of a JavaScript string. */
const LARGE_ARRAY_BYTES = 7.9 * 2 ** 20;
const CROWD = 54;

/**
 * The viewers' WebSocket protocol: hello, acknowledgements, return data, settings and pings in any order, from viewers
 * with any right.
 */
export function viewerTarget(samples: Samples): Target {
  return {
    name: 'viewer',
    summary: 'WebSocket viewer protocol, /streams/NAME/ws',
    concurrency: 12,
    perSecond: 60,
    create: (random, world) => {
      if (world.heavy && random.chance(1 / 600)) return crowd(random, world);
      const count = random.weighted([
        [40, 1],
        [1, 30],
      ]);
      return random.times(count, () => viewer(random, world, samples));
    },
    answers: webSocketAnswers,
    judge: (_script, outcome) => serverErrors(outcome),
  };
}

/** Result of a WebSocket: its close code, the status of a refused handshake, or how the connection ended. */
export function webSocketAnswers(outcome: Outcome): readonly string[] {
  const frames = ServerFrames.read(outcome.received);
  if (frames !== undefined && frames.closeCode !== null) return [String(frames.closeCode)];
  const [status] = httpStatuses(outcome);
  return [frames === undefined && status !== undefined ? `HTTP ${status}` : outcome.end];
}

/** The token of a hello, and its source address: wrong tokens delay the responses to an address. */
export function pickToken(
  random: Random,
  { tokens }: World,
  right: string,
): { readonly token: string | null; readonly from: string } {
  const token = random.weighted([
    [8, right],
    [2, tokens.view],
    [1, tokens.publish],
    [1, tokens.port],
    [1, tokens.administer],
    [1, 'wrong'],
    [1, null],
  ]);
  return { token, from: anyAddress(random, token === 'wrong' || token === null ? 2 : 1) };
}

function viewer(random: Random, world: World, samples: Samples): Script {
  const { token, from } = pickToken(random, world, world.tokens.administer);
  const inHeader = token !== null && random.chance(0.1);
  const stream = random.chance(0.03)
    ? random.pick(['none', '%00', '..', '__proto__', 'main%2Fws'])
    : random.pick(world.viewed);
  const hello = { ...random.sample(helloFields), ...(token === null || inHeader ? {} : { token }) };
  const messages = [
    ...(random.chance(0.95) ? [encodeHostile(random, messageType.hello, hello)] : []),
    ...random.times(random.between(0, 25), () => anyMessage(random, samples)),
  ];
  return webSocketScript(random, {
    what: `viewer of ${stream}`,
    port: world.httpPort,
    from,
    path: `/streams/${stream}/ws`,
    headers: inHeader ? { Authorization: `Bearer ${token}` } : {},
    messages,
  });
}

/** A connection that opens a WebSocket and sends messages in fragments with pauses, and ends in any way. */
export function webSocketScript(
  random: Random,
  {
    what,
    port,
    from,
    path,
    headers,
    messages,
  }: {
    readonly what: string;
    readonly port: number;
    readonly from: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly messages: readonly Buffer[];
  },
): Script {
  const upgrade = upgradeRequest(port, path, headers);
  const { last, lingerMs } = ending(random);
  const steps: Step[] = [{ kind: 'send', bytes: upgrade }];
  // Some viewers send immediately after the handshake, like a program that does not wait for the response.
  if (random.chance(0.7)) steps.push({ kind: 'read', ms: 300 });
  for (const message of messages) {
    const wire = random.chance(0.1)
      ? Buffer.concat(
          encodeFragments(
            message,
            random.times(random.between(1, 8), () => random.below(message.length + 1)),
          ),
        )
      : encodeFrame(message);
    steps.push(...sendSteps(random, wire));
    if (random.chance(0.3)) steps.push({ kind: 'read', ms: random.between(1, 40) });
  }
  return { what, port, from, steps: [...steps, ...last], lingerMs };
}

function anyMessage(random: Random, samples: Samples): Buffer {
  const kind = random.weighted([
    [4, 'ack' as const],
    [4, 'return' as const],
    [2, 'want' as const],
    [1, 'ping' as const],
    [1, 'control' as const],
    [0.2, 'hello' as const],
  ]);
  if (kind === 'hello') return encodeHostile(random, messageType.hello, random.sample(helloFields));
  const fields: { readonly [key: string]: Packable } = random.sample(viewerFields[kind]);
  if (kind !== 'return' || fields['kind'] === 'value') return encodeHostile(random, messageType[kind], fields);
  const { value: _, ...rest } = fields;
  return encodeHostile(
    random,
    messageType.return,
    rest,
    rest['kind'] === 'jpeg' ? anyJpeg(random, samples) : arrayPayload(random, rest['shape']),
  );
}

function anyJpeg(random: Random, samples: Samples): Buffer {
  return random.weighted<() => Buffer>([
    [3, () => random.pick(samples.jpegs)],
    [4, () => damageJpeg(random.pick(samples.jpegs), random)],
    [0.4, () => scanBomb(random.pick([1024, 2048, 4096]), random.pick([1024, 4096]), random.pick([20, 120, 1200]))],
    [1, () => random.bytes(random.between(0, 100))],
  ])();
}

/** Bytes that usually match a shape of single bytes. */
function arrayPayload(random: Random, shape: Packable | undefined): Buffer {
  const product = Array.isArray(shape)
    ? (shape as readonly Packable[]).reduce<number>((all, size) => all * (typeof size === 'number' ? size : 1), 1)
    : 1;
  const fits = Number.isSafeInteger(product) && product >= 0 && product < 1 << 20 ? product : 64;
  return Buffer.alloc(random.chance(0.8) ? fits : random.between(0, 200), 0x41);
}

/** Many viewers, each with the largest array that a viewer may return. */
function crowd(random: Random, world: World): readonly Script[] {
  const array = Buffer.alloc(LARGE_ARRAY_BYTES, 0x41);
  const value = encodeMessageBytes(
    messageType.return,
    packValue({ id: 1, mode: 'sticky', kind: 'array', dtype: 'uint8', shape: [array.length] }),
    array,
  );
  const stream = world.viewed.at(-1) ?? 'main';
  return random.times(CROWD, () => ({
    what: `one of ${CROWD} viewers with an array of 7.9 MiB`,
    port: world.httpPort,
    from: anyAddress(random),
    steps: [
      { kind: 'send', bytes: upgradeRequest(world.httpPort, `/streams/${stream}/ws`) },
      { kind: 'read', ms: 1000 },
      {
        kind: 'send',
        bytes: encodeFrame(encodeMessageBytes(messageType.hello, packValue({ token: world.tokens.administer }))),
      },
      { kind: 'read', ms: 1000 },
      { kind: 'send', bytes: encodeFrame(value) },
    ],
    lingerMs: 6000,
  }));
}

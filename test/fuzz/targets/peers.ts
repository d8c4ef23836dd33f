import { mutate, mutations } from '../mutations.ts';
import type { Samples } from '../pictures.ts';
import type { Random } from '../random.ts';
import type { Script, Step } from '../script.ts';
import { ending, sendSteps, type Target } from '../target.ts';
import type { FakePort } from '../world.ts';
import { command, frame, message, SOCKET_TYPES } from '../zmtp.ts';
import { floodSteps, handshake } from './zmq.ts';
import { imagezmqPicture, netgearReply } from './zmq-messages.ts';

/**
 * Peers to which the gateway connects: clients that answer frames with valid or almost valid replies, and publishers.
 * The gateway keeps reconnecting.
 */
export function peersTarget(samples: Samples): Target {
  return {
    name: 'peers',
    summary: 'fake NetGear clients and publishers to which the gateway connects',
    concurrency: 0,
    perSecond: 60,
    isListening: true,
    create: (random, world) => [accepted(random, random.pick(world.fakes), samples)],
    answers: (outcome) => [outcome.end],
  };
}

function accepted(random: Random, { port, socket }: FakePort, samples: Samples): Script {
  if (socket !== 'SUB' && random.chance(0.05))
    return {
      what: 'flood of PING at an address to which the gateway connects',
      port,
      from: '127.0.0.1',
      steps: floodSteps(random, socket, socket === 'REP'),
      lingerMs: 0,
    };
  const { last, lingerMs } = ending(random);
  const type = random.chance(0.85) ? socket : random.pick(SOCKET_TYPES);
  const steps: Step[] = random.chance(0.06)
    ? [{ kind: 'send', bytes: random.bytes(random.between(0, 200)) }]
    : [...handshake(random, type)];
  // A subscriber subscribes to everything, by message and by command.
  if (socket === 'SUB')
    steps.push({
      kind: 'send',
      bytes: random.chance(0.8) ? frame(Buffer.of(1)) : command('SUBSCRIBE', Buffer.alloc(0)),
    });
  for (let n = random.between(0, 40); n > 0; n -= 1) {
    steps.push(...sendSteps(random, anyMessage(random, socket, samples)));
    if (random.chance(0.6)) steps.push({ kind: 'read', ms: random.between(5, 60) });
  }
  return {
    what: `${type.slice(0, 8)} to which the gateway connects`,
    port,
    from: '127.0.0.1',
    steps: [...steps, ...last],
    lingerMs,
  };
}

function anyMessage(random: Random, socket: FakePort['socket'], samples: Samples): Buffer {
  if (socket === 'SUB')
    return random.weighted<() => Buffer>([
      [4, () => frame(Buffer.from([random.below(3), ...random.bytes(random.below(20))]))],
      [1, () => message([Buffer.of(1), random.bytes(5)])],
      [1, () => command(random.pick(['SUBSCRIBE', 'CANCEL', 'PING']), random.bytes(random.below(20)))],
      [1, () => mutate(frame(Buffer.of(1)), random.sample(mutations))],
    ])();
  const parts = socket === 'PUB' ? imagezmqPicture(random, samples) : netgearReply(random, samples);
  const delimiter = socket === 'REP' ? [Buffer.alloc(0)] : [];
  return random.weighted<() => Buffer>([
    [12, () => message([...delimiter, ...parts])],
    [1, () => message(parts)],
    [1, () => message([...delimiter, ...parts, ...parts])],
    [1, () => message([...delimiter])],
    [1, () => frame(Buffer.from('x'), { more: true })],
    [1, () => frame(random.bytes(20), { announced: random.pick([21n, 16n << 20n, 17n << 20n, 2n ** 63n]) })],
    [1, () => command(random.pick(['PING', 'PONG', 'ERROR', 'READY']), random.bytes(random.below(30)))],
    // Sends many replies to one frame.
    [1, () => Buffer.concat(random.times(50, () => message([...delimiter, ...parts])))],
    [1, () => mutate(message([...delimiter, ...parts]), random.sample(mutations))],
  ])();
}

import { messageType } from '../../../shared/protocol.ts';
import type { Packable } from '../message-pack.ts';
import { damageJpeg, type Samples, scanBomb } from '../pictures.ts';
import type { Random } from '../random.ts';
import { serverErrors, type Target } from '../target.ts';
import { encodeHostile, frameFields, helloFields, viewerFields } from './protocol-messages.ts';
import { pickToken, webSocketAnswers, webSocketScript } from './viewer.ts';

/** The publishers' WebSocket protocol: hello, frames with valid, damaged or missing pictures, and pings. */
export function publisherTarget(samples: Samples): Target {
  return {
    name: 'publisher',
    summary: 'WebSocket publisher protocol, /streams/NAME/publish',
    concurrency: 6,
    perSecond: 40,
    create: (random, world) =>
      random.times(
        random.weighted([
          [40, 1],
          [1, 20],
        ]),
        () => {
          const { token, from } = pickToken(random, world, world.tokens.publish);
          const stream = random.chance(0.05) ? random.pick([...world.viewed, 'none', '%']) : random.pick(world.pushed);
          // There is one publisher at a time: the next one takes over, because otherwise only refusals would be tested.
          const hello = {
            ...random.sample(helloFields),
            ...(random.chance(0.9) ? { takeOver: true } : {}),
            ...(token === null ? {} : { token }),
          };
          let sequence = 0;
          const messages = random.times(random.between(0, 15), () => {
            sequence += random.weighted([
              [12, 1],
              [1, 0],
              [1, 1000],
            ]);
            return anyMessage(random, samples, sequence);
          });
          return webSocketScript(random, {
            what: `publisher to ${stream}`,
            port: world.httpPort,
            from,
            path: `/streams/${stream}/publish`,
            headers: {},
            messages: [...(random.chance(0.95) ? [encodeHostile(random, messageType.hello, hello)] : []), ...messages],
          });
        },
      ),
    answers: webSocketAnswers,
    judge: (_script, outcome) => serverErrors(outcome),
  };
}

function anyMessage(random: Random, samples: Samples, sequence: number): Buffer {
  if (random.chance(0.1)) return encodeHostile(random, messageType.ping, random.sample(viewerFields.ping));
  const fields: { readonly [key: string]: Packable } = { sequence, ...random.sample(frameFields) };
  const payload =
    fields['encoding'] === 'raw'
      ? Buffer.alloc(random.pick([48 * 64 * 3, 48 * 64, 16, 0, 7]))
      : random.weighted<() => Buffer>([
          [4, () => random.pick(samples.jpegs)],
          [4, () => damageJpeg(random.pick(samples.jpegs), random)],
          [0.3, () => scanBomb(2048, 2048, random.pick([20, 400]))],
          [1, () => random.pick([...samples.npys, ...samples.bmps])],
        ])();
  return encodeHostile(random, messageType.frame, fields, payload);
}

import { mutate, mutations } from '../mutations.ts';
import { damageJpeg, type Samples, scanBomb } from '../pictures.ts';
import type { Random } from '../random.ts';
import type { Script, Step } from '../script.ts';
import { anyAddress, ending, httpStatuses, sendSteps, serverErrors, type Target } from '../target.ts';
import { hostileText, wellFormed } from '../values.ts';
import type { World } from '../world.ts';

/**
 * `POST /streams/NAME/frames`: JPEG, .npy, forms and running multipart bodies with pictures that are damaged in their
 * structure.
 */
export function pushTarget(samples: Samples): Target {
  return {
    name: 'push',
    summary: 'pushed pictures: JPEG, .npy, BMP, PNG, forms, running multipart',
    concurrency: 8,
    perSecond: 80,
    create: (random, world) =>
      random.times(
        random.weighted([
          [40, 1],
          [1, 24],
        ]),
        () => post(random, world, samples),
      ),
    answers: (outcome) => {
      const statuses = httpStatuses(outcome);
      return statuses.length === 0 ? [outcome.end] : statuses.map(String);
    },
    judge: (_script, outcome) => serverErrors(outcome),
  };
}

interface Body {
  readonly type: string;
  readonly bytes: Buffer;
  readonly headers: readonly string[];
}

function post(random: Random, world: World, samples: Samples): Script {
  const stream = random.pick(world.pushed);
  const { type, bytes, headers } = random.weighted<() => Body>([
    [6, () => single(random, samples)],
    [3, () => form(random, samples)],
    [3, () => running(random, samples)],
  ])();
  const isChunked = random.chance(0.2);
  const length = random.chance(0.93)
    ? bytes.length
    : random.pick([0, bytes.length - 1, bytes.length + 1, bytes.length + 70_000_000, 2 ** 40]);
  const head = Buffer.from(
    [
      // There is one publisher at a time: the next one takes over.
      `POST /streams/${stream}/frames?takeOver=true&publisher=${random.pick(['a', 'b', 'c'])} HTTP/1.1`,
      `Host: 127.0.0.1:${world.httpPort}`,
      `Authorization: Bearer ${world.tokens.publish}`,
      `Content-Type: ${type}`,
      isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${Math.max(0, length)}`,
      ...headers,
      '\r\n',
    ].join('\r\n'),
    'latin1',
  );
  const body = isChunked
    ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])
    : bytes;
  const { last, lingerMs } = ending(random);
  const steps: Step[] = [
    { kind: 'send', bytes: head },
    ...sendSteps(random, random.chance(0.05) ? body.subarray(0, random.below(body.length + 1)) : body),
  ];
  return {
    what: `POST of ${type.split(';', 1).join()}`,
    port: world.httpPort,
    from: anyAddress(random),
    steps: [...steps, { kind: 'read', ms: 200 }, ...last],
    lingerMs,
  };
}

function picture(random: Random, samples: Samples): { readonly type: string; readonly bytes: Buffer } {
  const jpeg = (bytes: Buffer): { type: string; bytes: Buffer } => ({ type: 'image/jpeg', bytes });
  return random.weighted<() => { type: string; bytes: Buffer }>([
    [4, () => jpeg(random.pick(samples.jpegs))],
    [8, () => jpeg(damageJpeg(random.pick(samples.jpegs), random))],
    [3, () => jpeg(mutate(random.pick(samples.jpegs), random.sample(mutations)))],
    [0.4, () => jpeg(scanBomb(random.pick([512, 2048, 4096]), 2048, random.pick([20, 120, 1200])))],
    [2, () => ({ type: 'application/x-npy', bytes: random.pick(samples.npys) })],
    [3, () => ({ type: 'application/x-npy', bytes: mutate(random.pick(samples.npys), random.sample(mutations)) })],
    [
      2,
      () => ({
        type: 'application/octet-stream',
        bytes: random.pick([...samples.jpegs, ...samples.npys, ...samples.bmps, ...samples.others]),
      }),
    ],
    [
      1,
      () => ({
        type: random.pick(['image/png', 'image/bmp', 'image/jpg', 'text/html', '', 'image/jpeg; x=y']),
        bytes: random.pick([...samples.bmps, ...samples.others]),
      }),
    ],
  ])();
}

function single(random: Random, samples: Samples): Body {
  return { ...picture(random, samples), headers: info(random) };
}

function info(random: Random): string[] {
  const text = Buffer.from(wellFormed(random.sample(hostileText)).replaceAll(/[\r\n\0]/g, ' '))
    .toString('latin1')
    .slice(0, 4000);
  return [
    ...(random.chance(0.2)
      ? [`Gearway-Message: ${random.pick(['{"n": 1.0}', '['.repeat(500), '{"a": NaN}', '9'.repeat(4301), text])}`]
      : []),
    ...(random.chance(0.1) ? [`Gearway-Captured-At: ${random.pick(['1766400000', '1e300', '-1', text])}`] : []),
  ];
}

function boundaryOf(random: Random): string {
  return random.weighted([
    [8, 'cam'],
    [1, '--cam'],
    [1, 'x'.repeat(70)],
    [1, 'x'.repeat(71)],
    [1, '"a b"'],
    [1, ''],
    [1, '"'],
    [1, "'()+_,-./:=?"],
  ]);
}

function form(random: Random, samples: Samples): Body {
  const boundary = boundaryOf(random);
  const plain = boundary.replaceAll('"', '');
  const { type, bytes } = picture(random, samples);
  const field = (name: string, headers: string, body: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`--${plain}\r\nContent-Disposition: form-data; name="${name}"${headers}\r\n\r\n`, 'latin1'),
      body,
      Buffer.from('\r\n'),
    ]);
  const parts = [
    field(
      random.weighted([
        [8, 'frame'],
        [1, 'Frame'],
        [1, '__proto__'],
        [1, ''],
      ]),
      `; filename="a.jpg"\r\nContent-Type: ${type}`,
      bytes,
    ),
  ];
  if (random.chance(0.3))
    parts.push(
      field('message', '', Buffer.from(random.pick(['{"n": 1}', '[[', '"\ud800"', '1e999', '{"a": 1, "a": 2}']))),
    );
  if (random.chance(0.1))
    parts.push(...random.times(random.pick([1, 200]), (n) => field(`x${n}`, '', Buffer.from('y'))));
  const body = Buffer.concat([...parts, Buffer.from(random.chance(0.9) ? `--${plain}--\r\n` : '')]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    bytes: random.chance(0.3) ? mutate(body, random.sample(mutations)) : body,
    headers: [],
  };
}

function running(random: Random, samples: Samples): Body {
  const boundary = boundaryOf(random);
  const plain = boundary.replaceAll('"', '');
  const newline = random.weighted([
    [10, '\r\n'],
    [1, '\n'],
    [1, '\r'],
  ]);
  const parts = random.times(
    random.weighted([
      [6, random.between(1, 6)],
      [1, 60],
    ]),
    () => {
      const { type, bytes } = picture(random, samples);
      const length = random.weighted<string>([
        [5, `Content-Length: ${bytes.length}${newline}`],
        [3, ''],
        [
          1,
          `Content-Length: ${random.pick([bytes.length - 1, bytes.length + 1, 0, -1, 2 ** 31, 1e30, 'x'])}${newline}`,
        ],
      ]);
      const extra = random.chance(0.05)
        ? `X: ${'y'.repeat(random.pick([1, 17_000]))}${newline}`
        : info(random)
            .map((line) => `${line}${newline}`)
            .join('');
      return Buffer.concat([
        Buffer.from(`--${plain}${newline}Content-Type: ${type}${newline}${length}${extra}${newline}`, 'latin1'),
        bytes,
        Buffer.from(newline),
      ]);
    },
  );
  const body = Buffer.concat([
    ...(random.chance(0.1) ? [Buffer.from('preamble'.repeat(random.pick([1, 3000])))] : []),
    ...parts,
    Buffer.from(random.chance(0.8) ? `--${plain}--${newline}` : ''),
  ]);
  return {
    type: `multipart/x-mixed-replace; boundary=${boundary}`,
    bytes: random.chance(0.25) ? mutate(body, random.sample(mutations)) : body,
    headers: [],
  };
}

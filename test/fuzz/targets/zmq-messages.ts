import { type Packable, packValue } from '../message-pack.ts';
import { mutate, mutations } from '../mutations.ts';
import { damageJpeg, type Samples } from '../pictures.ts';
import type { Random } from '../random.ts';
import { hostileText, hostileValue } from '../values.ts';

/** Any value as JSON in Python's format, including Python's extensions. */
export function pythonJson(random: Random): string {
  return random.weighted<() => string>([
    [
      4,
      () =>
        random.pick([
          'null',
          'true',
          '1',
          '1.0',
          '"text"',
          '[1, 2.0, null]',
          '{"n": 1, "t": 1766400000.5}',
          'NaN',
          '-Infinity',
        ]),
    ],
    [2, () => JSON.stringify(random.sample(hostileText))],
    [1, () => '['.repeat(random.pick([1, 64, 65, 2000])) + ']'.repeat(random.pick([1, 64, 65, 2000]))],
    [1, () => '{"a": '.repeat(random.pick([64, 65, 500])) + '1' + '}'.repeat(64)],
    [1, () => '9'.repeat(random.pick([20, 4300, 4301, 50_000]))],
    [
      1,
      () =>
        random.pick([
          '1e999',
          '-0',
          '0x10',
          '01',
          '1.',
          '.5',
          '"\\ud800"',
          '"\\u00',
          '{"a": 1, "a": 2}',
          '{"__proto__": 1}',
          "{'a': 1}",
          'None',
          '"\u0000"',
        ]),
    ],
    [1, () => `{${random.times(random.pick([10, 3000]), (n) => `"k${n}": ${n}`).join(', ')}}`],
  ])();
}

/** A valid or almost valid frame of a NetGear server: header and payload. */
export function netgearFrame(random: Random, samples: Samples, pattern: string): Buffer[] {
  const isJpeg = random.chance(0.7);
  const fields: Record<string, string> = {
    terminate_flag: 'false',
    compression: isJpeg ? '{"dct": true, "ups": false, "colorspace": "BGR"}' : 'false',
    message: random.chance(0.5) ? 'null' : pythonJson(random),
    pattern: JSON.stringify(pattern),
    dtype: isJpeg ? '""' : '"uint8"',
    shape: isJpeg ? '""' : '[48, 64, 3]',
  };
  if (random.chance(0.1)) fields['port'] = random.pick(['"5555"', '5555', 'null', '"\\u202e"', '[]']);
  for (
    let n = random.weighted([
      [3, 0],
      [2, 1],
      [1, 3],
    ]);
    n > 0;
    n -= 1
  ) {
    const key = random.pick(Object.keys(fields));
    if (random.chance(0.2)) delete fields[key];
    // A valid termination would end the stream of another server: this is covered by the library's tests.
    else if (key !== 'terminate_flag')
      fields[key] = random.chance(0.6)
        ? pythonJson(random)
        : random.pick([
            '"GRAY"',
            '"CMYK"',
            '[48, 64]',
            '[20000, 20000, 3]',
            '[0]',
            '[-1, 5]',
            '[1e9, 1e9]',
            '"float64"',
            '">u2"',
            '"object"',
            '{"dct": 1}',
            '{"colorspace": "BGR", "dct": true, "ups": true}',
            '"3"',
            '2',
          ]);
  }
  const header = Buffer.from(
    `{${Object.entries(fields)
      .map(([name, value]) => `${JSON.stringify(name)}: ${value}`)
      .join(', ')}}`,
  );
  return [
    safeMutation(random, header),
    isJpeg ? anyJpeg(random, samples) : Buffer.alloc(random.pick([48 * 64 * 3, 48 * 64, 9215, 0]), 0x60),
  ];
}

/** A picture as sent by an imagezmq sender. */
export function imagezmqPicture(random: Random, samples: Samples): Buffer[] {
  const isArray = random.chance(0.4);
  const json = `{"msg": ${random.chance(0.5) ? '"camera"' : pythonJson(random)}${isArray ? `, "dtype": ${random.pick(['"uint8"', '"float32"', '"object"', '1'])}, "shape": ${random.pick(['[48, 64, 3]', '[48, 64]', '[]', '[1e9]', '"x"'])}` : ''}}`;
  return [
    safeMutation(random, Buffer.from(json)),
    isArray ? Buffer.alloc(random.pick([48 * 64 * 3, 48 * 64, 1])) : anyJpeg(random, samples),
  ];
}

/** A frame as sent by a NetGear_Async server. */
export function asyncFrame(random: Random): Buffer[] {
  const instead = (value: Packable): Packable => (random.chance(0.12) ? random.sample(hostileValue) : value);
  const header = packValue({
    terminate: random.chance(0.95) ? false : random.sample(hostileValue),
    bi_mode: instead(random.chance(0.5)),
    data: random.chance(0.5) ? '' : random.sample(hostileValue),
  });
  const array = packValue({
    nd: instead(true),
    type: instead('|u1'),
    kind: instead(new Uint8Array()),
    shape: instead([48, 64, 3]),
    data: instead(Buffer.alloc(random.pick([48 * 64 * 3, 48 * 64 * 3, 5]))),
  });
  const isChanged = random.chance(0.3);
  return [
    isChanged ? mutate(header, random.sample(mutations)) : header,
    isChanged ? mutate(array, random.sample(mutations)) : array,
  ];
}

/** A valid or almost valid reply of a NetGear client, as parts after the delimiter. */
export function netgearReply(random: Random, samples: Samples): Buffer[] {
  return random.weighted<() => Buffer[]>([
    [2, () => [Buffer.from('Data received on device: abcd1234 !')]],
    [
      5,
      () => [
        safeMutation(random, Buffer.from(`{"port": "5567", "return_type": "str", "data": ${pythonJson(random)}}`)),
      ],
    ],
    [
      3,
      () => [
        safeMutation(
          random,
          Buffer.from(
            `{"return_type": "ndarray", "compression": false, "array_dtype": ${random.pick(['"uint8"', '"float32"', '"object"', '7'])}, "array_shape": ${random.pick(['[4, 4]', '[16]', '[]', '[1e9, 1e9]', '[0]', '"x"', '[-1]', '[4.5]'])}, "data": null}`,
          ),
        ),
        Buffer.alloc(random.pick([16, 64, 0, 17])),
      ],
    ],
    [
      4,
      () => [
        safeMutation(
          random,
          Buffer.from(
            `{"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": ${random.pick(['"BGR"', '"GRAY"', '"x"', '1'])}}, "array_dtype": "", "array_shape": "", "data": null}`,
          ),
        ),
        anyJpeg(random, samples),
      ],
    ],
    [1, () => [safeMutation(random, Buffer.from("Termination signal successfully received at Client's end!"))]],
    [1, () => random.times(random.pick([0, 1, 3, 60]), () => random.bytes(random.below(100)))],
  ])();
}

function anyJpeg(random: Random, samples: Samples): Buffer {
  return random.chance(0.4)
    ? random.pick(samples.jpegs)
    : random.chance(0.8)
      ? damageJpeg(random.pick(samples.jpegs), random)
      : random.bytes(random.below(200));
}

function safeMutation(random: Random, bytes: Buffer): Buffer {
  return random.chance(0.25) ? mutate(bytes, random.sample(mutations)) : bytes;
}

import { describe, expect, it } from 'vitest';
import { PictureFlow } from '../../../../web/capture/picture-flow.ts';

class Picture {
  readonly name: string;
  closed = 0;

  constructor(name: string) {
    this.name = name;
  }

  close(): void {
    this.closed += 1;
  }
}

/** A flow whose encodings are completed by the test. */
class Bench {
  readonly sent: string[] = [];
  readonly failures: unknown[] = [];
  readonly pictures = new Map<string, Picture>();
  readonly #encodings: {
    readonly picture: Picture;
    readonly resolve: (encoded: string) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly flow = new PictureFlow<Picture, string>({
    encode: (picture) => new Promise((resolve, reject) => this.#encodings.push({ picture, resolve, reject })),
    send: (sequence, encoded) => void this.sent.push(`${sequence} ${encoded}`),
    failed: (error) => void this.failures.push(error),
  });

  offer(name: string): Picture {
    const picture = new Picture(name);
    this.pictures.set(name, picture);
    this.flow.offer(picture);
    return picture;
  }

  get encoding(): readonly string[] {
    return this.#encodings.map(({ picture }) => picture.name);
  }

  async encoded(error?: Error): Promise<void> {
    const { picture, resolve, reject } = this.#encodings.shift()!;
    if (error === undefined) resolve(picture.name);
    else reject(error);
    await new Promise((done) => setImmediate(done));
  }
}

describe('PictureFlow', () => {
  it('encodes one picture, keeps the newest one that arrives in the meantime, and closes each picture once', async () => {
    const bench = new Bench();
    bench.flow.connected();
    for (const name of ['a', 'b', 'c', 'd']) bench.offer(name);
    expect(bench.encoding).toEqual(['a']);
    await bench.encoded();
    expect(bench.sent).toEqual(['1 a']);
    expect(bench.encoding).toEqual(['d']);
    await bench.encoded();
    expect(bench.sent).toEqual(['1 a', '2 d']);
    expect(bench.flow.skipped).toBe(2);
    expect([...bench.pictures.values()].map(({ closed }) => closed)).toEqual([1, 1, 1, 1]);
  });

  it('has at most two frames in flight: the next one is encoded when the gateway has read one', async () => {
    const bench = new Bench();
    bench.flow.connected();
    for (const name of ['a', 'b']) {
      bench.offer(name);
      await bench.encoded();
    }
    expect(bench.flow.inFlight).toBe(2);
    bench.offer('c');
    bench.offer('d');
    expect(bench.encoding).toEqual([]);
    bench.flow.taken(1);
    expect(bench.encoding).toEqual(['d']);
    await bench.encoded();
    expect(bench.sent).toEqual(['1 a', '2 b', '3 d']);
    // An acknowledgement covers all earlier frames.
    bench.flow.taken(3);
    expect(bench.flow.inFlight).toBe(0);
  });

  it('continues after a picture that could not be encoded', async () => {
    const bench = new Bench();
    bench.flow.connected();
    const broken = bench.offer('a');
    bench.offer('b');
    const error = new Error('no encoder');
    await bench.encoded(error);
    expect(bench.failures).toEqual([error]);
    expect(broken.closed).toBe(1);
    await bench.encoded();
    expect(bench.sent).toEqual(['1 b']);
  });

  it('sends no pictures of a lost connection on the next one, and accepts none in between', async () => {
    const bench = new Bench();
    bench.flow.connected();
    const encoding = bench.offer('a');
    const waiting = bench.offer('b');
    bench.flow.disconnected();
    expect(waiting.closed).toBe(1);
    expect(bench.offer('c').closed).toBe(1);
    bench.flow.connected();
    expect(bench.flow).toMatchObject({ inFlight: 0, skipped: 0 });
    bench.offer('d');
    await bench.encoded();
    expect(encoding.closed).toBe(1);
    await bench.encoded();
    expect(bench.sent).toEqual(['1 d']);
  });

  it('repeats an encoded picture, but never in addition to a new one', async () => {
    const bench = new Bench();
    bench.flow.repeat('old');
    bench.flow.connected();
    bench.flow.repeat('old');
    expect(bench.sent).toEqual(['1 old']);
    bench.offer('a');
    bench.flow.repeat('old');
    await bench.encoded();
    bench.flow.repeat('old');
    expect(bench.sent).toEqual(['1 old', '2 a']);
  });
});

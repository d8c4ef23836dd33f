import { createHash } from 'node:crypto';
import { Viewer } from './viewer.ts';

/** Line of test/peers/image_writer.py. */
export interface Written {
  readonly name: string;
  readonly n: number;
  readonly sha1: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** A file of a folder, as received by a viewer. */
export interface SeenFile {
  readonly file: string;
  readonly sha1: string;
  readonly atMs: number;
}

/** A viewer that requests unmodified arrays. */
export async function watchFiles(gateway: { readonly url: string | Promise<string> }): Promise<Viewer> {
  const viewer = await Viewer.connect(await gateway.url);
  await viewer.hello();
  viewer.want({ raw: true });
  return viewer;
}

/**
 * The next frame of a `directory:` source with the content of its file. Until the gateway has read the viewer's `want`,
 * it sends JPEGs of the arrays.
 */
export async function nextFile(viewer: Viewer): Promise<SeenFile> {
  for (;;) {
    const { sequence, payload, message, encoding } = await viewer.until('frame');
    viewer.ack(sequence);
    const { file } = message as { file: string };
    if (encoding.kind === 'jpeg' && !/\.jpe?g$/i.test(file)) continue;
    return { file, sha1: createHash('sha1').update(payload).digest('hex'), atMs: performance.now() };
  }
}

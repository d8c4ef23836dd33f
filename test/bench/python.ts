import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PythonPeer, peers } from '../helpers/peers.ts';
import { endWithBench } from './processes.ts';

/** Picture made by bench_picture.py. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
  /** Size of the JPEG in kilobytes. */
  readonly kilobytes: number;
}

const MAX_BYTES = 1 << 26;

/** A Python program of this folder. */
export function startPython(script: string, options: Readonly<Record<string, unknown>>): PythonPeer {
  return endWithBench(new PythonPeer(`../bench/${script}`, options, peers().python));
}

/** The picture of number 0, as BGR samples or as a JPEG. */
export async function makePicture(size: PictureSize, form: 'samples' | 'jpeg'): Promise<Buffer> {
  const script = fileURLToPath(new URL('./bench_picture.py', import.meta.url));
  const { stdout } = await promisify(execFile)(
    peers().python,
    [script, JSON.stringify({ ...size, jpeg: form === 'jpeg' })],
    { encoding: 'buffer', maxBuffer: MAX_BYTES },
  );
  return stdout;
}

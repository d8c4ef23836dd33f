import { runInBackground } from '../../../shared/background.ts';
import { Program, type ProgramEnd, type ProgramOptions } from './program.ts';

export interface RunOptions extends Omit<ProgramOptions, 'onOutput' | 'keptErrorBytes'> {
  /** The program is killed after this time. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Result of a program that has run to its end. */
export interface RunResult {
  readonly end: ProgramEnd;
  readonly hasTimedOut: boolean;
  readonly output: string;
  readonly errorText: string;
  readonly errorLines: readonly string[];
}

/** Maximum size of the output; the rest is discarded. */
const MAX_OUTPUT_BYTES = 256 << 10;

/** Runs a program until it exits. Never rejects. Kills the program on abort. */
export async function runProgram({ timeoutMs, signal, ...options }: RunOptions): Promise<RunResult> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const program = new Program({
    ...options,
    keptErrorBytes: MAX_OUTPUT_BYTES,
    onOutput: (chunk) => {
      bytes += chunk.byteLength;
      if (bytes <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    },
  });
  let hasTimedOut = false;
  // Not awaited here: `program.ended` is awaited below.
  const kill = (): void => runInBackground(program.close(), () => undefined);
  const timer = setTimeout(() => {
    hasTimedOut = true;
    kill();
  }, timeoutMs);
  if (signal?.aborted === true) kill();
  signal?.addEventListener('abort', kill);
  const end = await program.ended;
  clearTimeout(timer);
  signal?.removeEventListener('abort', kill);
  return {
    end,
    hasTimedOut,
    output: Buffer.concat(chunks).toString('utf8'),
    errorText: program.errorText(),
    errorLines: program.errorLines(),
  };
}

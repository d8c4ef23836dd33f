import { type ChildProcess, spawn } from 'node:child_process';
import { LastOutput } from './last-output.ts';
import type { ProcessGuard } from './process-guard.ts';

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Standard input of the program; null for none. */
  readonly input?: string | null;
  /** Called for each chunk of its output. */
  readonly onOutput: (chunk: Buffer) => void;
  /** Number of bytes of its error output to keep. */
  readonly keptErrorBytes?: number;
  readonly guard: ProcessGuard;
}

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unstartable'; readonly error: Error };

/** Maximum rate at which error output is read; beyond it, back-pressure slows the program down. */
const MAX_ERROR_BYTES_PER_SECOND = 1 << 20;

/**
 * A local program, run without a shell, so that arguments are passed unmodified. It is killed when the gateway exits.
 *
 * Only the last lines of its error output are kept.
 */
export class Program {
  /** Resolves when the program has exited and all of its output has been delivered. */
  readonly ended: Promise<ProgramEnd>;
  readonly #child: ChildProcess;
  readonly #errors: LastOutput;
  #isClosed = false;
  #secondBeganAtMs = 0;
  #errorBytes = 0;

  constructor({ command, args, input = null, onOutput, keptErrorBytes, guard }: ProgramOptions) {
    this.#errors = new LastOutput(keptErrorBytes);
    this.#child = spawn(command, args, {
      stdio: [input === null ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const { pid, stdin, stdout, stderr } = this.#child;
    const release = pid === undefined ? () => undefined : guard.watch(pid);
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error: NodeJS.ErrnoException) => {
        if (pid === undefined) resolve(error.code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unstartable', error });
      });
      this.#child.once('exit', release);
      this.#child.once('close', (code, signal) =>
        resolve(code === null ? { kind: 'killed', signal: signal ?? 'a signal' } : { kind: 'exited', code }),
      );
    });
    stdout?.on('data', (chunk: Buffer) => {
      if (!this.#isClosed) onOutput(chunk);
    });
    stderr?.on('data', (chunk: Buffer) => this.#readErrors(chunk));
    // The program may exit before it has read all input.
    stdin?.on('error', () => undefined);
    stdin?.end(input ?? '');
  }

  /** The last lines of the error output. */
  errorLines(): readonly string[] {
    return this.#errors.lines();
  }

  /** The end of the error output, as text. */
  errorText(): string {
    return this.#errors.text();
  }

  /**
   * Kills the program, even if it is stopped, and waits until it has exited. No output is delivered afterwards.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#child.kill('SIGKILL');
    // Otherwise a child process that has inherited the pipes would keep them open.
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy();
    await this.ended;
  }

  #readErrors(chunk: Buffer): void {
    this.#errors.add(chunk);
    const now = performance.now();
    if (now - this.#secondBeganAtMs > 1000) {
      this.#secondBeganAtMs = now;
      this.#errorBytes = 0;
    }
    this.#errorBytes += chunk.byteLength;
    if (this.#errorBytes < MAX_ERROR_BYTES_PER_SECOND) return;
    // Without this limit, reading would block the event loop.
    this.#child.stderr?.pause();
    setTimeout(() => this.#child.stderr?.resume(), this.#secondBeganAtMs + 1000 - now).unref();
  }
}

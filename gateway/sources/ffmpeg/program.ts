import { type ChildProcess, spawn } from 'node:child_process';
import { LastOutput } from './last-output.ts';
import type { ProcessGuard } from './process-guard.ts';

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** What it reads; null for nothing. */
  readonly input?: string | null;
  /** Its output as it comes. */
  readonly onOutput: (chunk: Buffer) => void;
  /** How much of its error output is kept. */
  readonly keptErrorBytes?: number;
  readonly guard: ProcessGuard;
}

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unstartable'; readonly error: Error };

/** Most that is read of its error output in a second; a program that prints more has to wait. */
const MAX_ERROR_BYTES_PER_SECOND = 1 << 20;

/**
 * A program of this machine, run without a shell: each argument reaches it as it is. It dies with the gateway.
 *
 * Its error output costs no memory, however much it is; the last lines are kept.
 */
export class Program {
  /** Settles when it has ended, and all of its output was given. */
  readonly ended: Promise<ProgramEnd>;
  readonly #child: ChildProcess;
  readonly #errors: LastOutput;
  #isClosed = false;
  #secondBeganAtMs = 0;
  #errorBytes = 0;

  constructor({ command, args, input = null, onOutput, keptErrorBytes, guard }: ProgramOptions) {
    this.#errors = new LastOutput(keptErrorBytes);
    this.#child = spawn(command, args, { stdio: [input === null ? 'ignore' : 'pipe', 'pipe', 'pipe'], windowsHide: true });
    const { pid, stdin, stdout, stderr } = this.#child;
    const release = pid === undefined ? () => undefined : guard.watch(pid);
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error: NodeJS.ErrnoException) => {
        if (pid === undefined) resolve(error.code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unstartable', error });
      });
      this.#child.once('exit', release);
      this.#child.once('close', (code, signal) => resolve(code === null ? { kind: 'killed', signal: signal ?? 'a signal' } : { kind: 'exited', code }));
    });
    stdout?.on('data', (chunk: Buffer) => {
      if (!this.#isClosed) onOutput(chunk);
    });
    stderr?.on('data', (chunk: Buffer) => this.#hear(chunk));
    // It may end before it has read everything.
    stdin?.on('error', () => undefined);
    stdin?.end(input ?? '');
  }

  /** The end of its error output, by lines. */
  errorLines(): readonly string[] {
    return this.#errors.lines();
  }

  /** The end of its error output. */
  errorText(): string {
    return this.#errors.text();
  }

  /** Kills it, also while it is stopped, and waits for its end; no output is given afterwards. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#child.kill('SIGKILL');
    // Whoever has inherited its pipes would keep them open.
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy();
    await this.ended;
  }

  #hear(chunk: Buffer): void {
    this.#errors.add(chunk);
    const now = performance.now();
    if (now - this.#secondBeganAtMs > 1000) {
      this.#secondBeganAtMs = now;
      this.#errorBytes = 0;
    }
    this.#errorBytes += chunk.byteLength;
    if (this.#errorBytes < MAX_ERROR_BYTES_PER_SECOND) return;
    // Else reading would be all that the gateway does.
    this.#child.stderr?.pause();
    setTimeout(() => this.#child.stderr?.resume(), this.#secondBeganAtMs + 1000 - now).unref();
  }
}

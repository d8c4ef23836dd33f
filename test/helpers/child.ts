import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Lines } from './lines.ts';

// Each child that runs listens for our end.
process.setMaxListeners(64);

/** A process of a test: its output by lines, and an end that is waited for. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exited: Promise<number | null>;
  readonly #kill = (): void => void this.process.kill('SIGKILL');

  constructor(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.stdout = new Lines(this.process.stdout!);
    this.stderr = new Lines(this.process.stderr!);
    this.exited = once(this.process, 'exit').then(([code]) => {
      process.off('exit', this.#kill);
      return code as number | null;
    });
    // Who ends by `exit`, as on Ctrl-C, disposes of nothing.
    process.once('exit', this.#kill);
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    this.signal('SIGCONT');
    this.signal('SIGKILL');
    await this.exited;
  }
}

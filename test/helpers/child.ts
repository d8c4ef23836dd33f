import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Lines } from './lines.ts';

/** A process of a test: its output by lines, and an end that is waited for. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exited: Promise<number | null>;

  constructor(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.stdout = new Lines(this.process.stdout!);
    this.stderr = new Lines(this.process.stderr!);
    this.exited = once(this.process, 'exit').then(([code]) => code as number | null);
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

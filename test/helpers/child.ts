import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Lines } from './lines.ts';

// Each running child adds a listener for the end of the test process.
process.setMaxListeners(64);

/** A process that a test has started. */
export interface Program {
  readonly stdin: Writable;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly isRunning: boolean;
  /** Null before it has started. */
  readonly pid: number | null;
  /** Exit code; null if a signal ended the process. */
  readonly exited: Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
}

/** Suspends a process, like Ctrl-Z, and waits until all its threads are suspended. Linux only. */
export async function stopProgram(program: Program): Promise<void> {
  program.signal('SIGSTOP');
  // A Python host may report it after the first output of the program.
  while (program.pid === null) await setImmediate();
  const tasks = `/proc/${program.pid}/task`;
  const isStopped = async (task: string): Promise<boolean> =>
    /^State:\tT/m.test(await readFile(`${tasks}/${task}/status`, 'utf8'));
  while (!(await Promise.all((await readdir(tasks)).map(isStopped))).every(Boolean)) await setImmediate();
}

/** Kills a process, even if it is suspended, and waits for its end. */
export async function killProgram(program: Program): Promise<void> {
  if (!program.isRunning) return;
  program.signal('SIGCONT');
  program.signal('SIGKILL');
  await program.exited;
}

/** A program with its output by lines. It is killed when the test process ends, and when it is disposed of. */
export class Child implements Program, AsyncDisposable {
  readonly process: ChildProcess;
  readonly stdin: Writable;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exited: Promise<number | null>;
  readonly #kill = (): void => void this.process.kill('SIGKILL');

  constructor(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.process = child;
    this.stdin = child.stdin;
    this.stdout = new Lines(child.stdout);
    this.stderr = new Lines(child.stderr);
    this.exited = once(child, 'exit').then(([code]) => {
      process.off('exit', this.#kill);
      return code as number | null;
    });
    // A test process that ends with `exit`, for example on Ctrl-C, does not dispose of its resources.
    process.once('exit', this.#kill);
  }

  get pid(): number | null {
    return this.process.pid ?? null;
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return killProgram(this);
  }
}

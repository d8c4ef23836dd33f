import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The guard's script is next to this file, whether compiled or not. */
const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './guard-main.ts' : './guard-main.js', import.meta.url),
);

/** A guard that exits within this time cannot run on this system, so it is not restarted. */
const MIN_LIFE_MS = 1000;

/**
 * Ensures that no program outlives the gateway, even if the gateway is killed: a separate process is notified of
 * running programs, and kills them when the pipe to the gateway closes. It is started with the first program, exits
 * when none has run for a while, and does not keep the gateway running.
 */
export class ProcessGuard {
  readonly #running = new Set<number>();
  #child: ChildProcess | null = null;

  /** @returns a function that must be called when the program has exited, because its PID may be reused. */
  watch(pid: number): () => void {
    this.#running.add(pid);
    if (this.#child === null) this.#start();
    else this.#send(`+${pid}`);
    return () => {
      if (this.#running.delete(pid)) this.#send(`-${pid}`);
    };
  }

  #start(): void {
    const startedAtMs = performance.now();
    // Detached, because Ctrl-C signals the whole process group and the guard must outlive it.
    const child = fork(ENTRY, [], { detached: true, stdio: ['pipe', 'ignore', 'ignore', 'ipc'] });
    this.#child = child;
    // Spawn errors; other errors are also reported by 'exit'.
    child.on('error', () => {
      if (child.pid === undefined) this.#child = null;
    });
    child.once('exit', () => {
      this.#child = null;
      if (this.#running.size > 0 && performance.now() - startedAtMs > MIN_LIFE_MS) this.#start();
    });
    // Uses a pipe instead of the IPC channel, because data in a pipe can still be read after the gateway has exited.
    if (child.connected) child.disconnect();
    child.stdin?.on('error', () => undefined); // The guard has just exited.
    child.unref();
    if (child.stdin instanceof Socket) child.stdin.unref();
    for (const pid of this.#running) this.#send(`+${pid}`);
  }

  #send(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Beside this file, compiled or not. */
const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './guard-main.ts' : './guard-main.js', import.meta.url));

/** A guard that ends sooner cannot run here; another one would not, either. */
const MIN_LIFE_MS = 1000;

/**
 * Sees to it that no program outlives the gateway, also when that is killed and can do nothing any more: a process beside it reads
 * which programs run, and kills them when the gateway's end of the pipe closes. It is started with the first program, ends
 * by itself when none has run for a while, and keeps nothing alive.
 */
export class ProcessGuard {
  readonly #running = new Set<number>();
  #child: ChildProcess | null = null;

  /** @returns what is to be called once the program has ended: its number may be another's then. */
  watch(pid: number): () => void {
    this.#running.add(pid);
    if (this.#child === null) this.#start();
    else this.#tell(`+${pid}`);
    return () => {
      if (this.#running.delete(pid)) this.#tell(`-${pid}`);
    };
  }

  #start(): void {
    const startedAtMs = performance.now();
    // In a session of its own: Ctrl-C reaches the whole group, and it must not end before its work is done.
    const child = fork(ENTRY, [], { detached: true, stdio: ['pipe', 'ignore', 'ignore', 'ipc'] });
    this.#child = child;
    // What it could not start of; else the exit says it, too.
    child.on('error', () => {
      if (child.pid === undefined) this.#child = null;
    });
    child.once('exit', () => {
      this.#child = null;
      if (this.#running.size > 0 && performance.now() - startedAtMs > MIN_LIFE_MS) this.#start();
    });
    // A pipe and not the channel: what was written before the gateway's end is read, however late the guard gets to it.
    if (child.connected) child.disconnect();
    child.stdin?.on('error', () => undefined); // it has just ended
    child.unref();
    if (child.stdin instanceof Socket) child.stdin.unref();
    for (const pid of this.#running) this.#tell(`+${pid}`);
  }

  #tell(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }
}

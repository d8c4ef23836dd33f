import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Program } from '../helpers/child.ts';
import { NoValuesError } from './statistics.ts';

/** Calls that a process answers, by name. Arguments and results are JSON. */
type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly hasNoValues: boolean };

/** Time after which a process that has not ended is killed. */
const END_TIMEOUT_MS = 5000;

/** Kills remaining processes when the benchmark ends by `exit`, which disposes no resources. */
const leftovers = new Set<() => void>();
process.once('exit', () => {
  for (const kill of leftovers) kill();
});

/** A process of a benchmark. It ends with its parent, even if that crashes, because the channel between them closes. */
export class BenchProcess<H extends Handlers> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #kill = (): void => void this.#child.kill('SIGKILL');
  #lastId = 0;

  /** @param script in this folder. */
  constructor(script: string, execArgv: readonly string[] = []) {
    this.#name = script;
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), {
      execArgv: [...process.execArgv, ...execArgv],
    });
    this.#child.on('message', (answer) => this.#answered(answer as Answer));
    this.#child.once('exit', (code, signal) => {
      leftovers.delete(this.#kill);
      this.#fail(new Error(`${script} has ended with ${signal ?? code}`));
    });
    leftovers.add(this.#kill);
  }

  /** Rejects with the error of the handler, and when the process has ended. */
  async ask<K extends keyof H & string>(name: K, ...args: Parameters<H[K]>): Promise<Awaited<ReturnType<H[K]>>> {
    if (!this.#child.connected) throw new Error(`${this.#name} has ended`);
    this.#lastId += 1;
    const request: Request = { id: this.#lastId, name, args };
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(request.id, { resolve, reject }));
    this.#child.send(request);
    return (await answer) as Awaited<ReturnType<H[K]>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(this.#kill, END_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!('error' in answer)) {
      waiting?.resolve(answer.value);
      return;
    }
    const reason = `${this.#name}: ${answer.error}`;
    waiting?.reject(answer.hasNoValues ? new NoValuesError(reason) : new Error(reason));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Ends a foreign program with the benchmark, even if the benchmark crashes. */
export function endWithBench<C extends Program>(child: C): C {
  const kill = (): void => child.signal('SIGKILL');
  leftovers.add(kill);
  void child.exited.then(() => leftovers.delete(kill));
  return child;
}

/** The child's side: answers requests of the parent until the parent ends. */
export function answerParent(handlers: Handlers): void {
  const answer = async ({ id, name, args }: Request): Promise<Answer> => {
    try {
      const handler = handlers[name];
      if (handler === undefined) throw new Error(`there is no handler for ${name}`);
      return { id, value: await handler(...(args as never[])) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { id, error: message, hasNoValues: error instanceof NoValuesError };
    }
  };
  process.on('message', (request) => {
    // `answer` does not reject; the end of the parent is reported by 'disconnect'.
    void answer(request as Request).then((reply) => process.connected && process.send?.(reply));
  });
  process.once('disconnect', () => process.exit());
  // The parent may have died while this process was starting.
  if (!process.connected) process.exit();
}

/** Listens on loopback. @returns the port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error(`the server's address is ${address}, expected a port`);
  return address.port;
}

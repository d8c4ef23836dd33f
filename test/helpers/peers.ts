import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Writable } from 'node:stream';
import { Child, killProgram, type Program } from './child.ts';
import type { Lines } from './lines.ts';
import { forkPython } from './python-host.ts';

const FOUND = new URL('../../node_modules/.cache/gearway-peers.json', import.meta.url);
const SCRIPTS = fileURLToPath(new URL('../peers/', import.meta.url));

/** Paths of the programs that scripts/setup-peers.mjs has found or installed. */
export function peers(): {
  chromium: string;
  firefox: string;
  python: string;
  /** Python with the bindings of GStreamer and umockdev. */
  systemPython: string;
  nginx: string;
  caddy: string;
  prometheus: string;
  promtool: string;
  nats: string;
  xvfb: string;
} {
  try {
    return JSON.parse(readFileSync(FOUND, 'utf8')) as ReturnType<typeof peers>;
  } catch (error) {
    throw new Error('the real peers are not set up: run npm test, or node scripts/setup-peers.mjs', { cause: error });
  }
}

/**
 * Report of test/peers/client.py about its frames: `progress` twice per second, `done` at its end.
 */
export interface ClientReport {
  readonly count: number;
  /** Number of repeated frames, which have no message. */
  readonly repeats: number;
  /** Number of pictures whose number differs from that in their message. */
  readonly mismatched: number;
  /** Number of frames that did not follow the previous frame, and number of frames that were older than it. */
  readonly gaps: number;
  readonly disordered: number;
  /** Numbers in the first and the latest picture of the expected height. */
  readonly first: number | null;
  readonly last: number | null;
  /** Maximum number of seconds between two frames, after `warm_up`. */
  readonly longest: number;
  /** Age of the latest frame in seconds, and ages of all frames that were older than half a second. */
  readonly age: number | null;
  readonly stale: readonly number[];
  /** Seconds between receiving a frame and being ready for the next one, in total. */
  readonly busy: number;
}

/**
 * Size of pictures that are as large as usual, with odd numbers of rows and columns. The peers' own are smaller, because
 * a picture of this size takes each of them a few milliseconds.
 */
export const VGA = { height: 479, width: 641 } as const;

/** A Python peer, a script of test/peers/ that prints one JSON object per line. */
export class PythonPeer implements Program, AsyncDisposable {
  readonly #program: Program;

  /** @param python an interpreter other than the one with VidGear. */
  constructor(script: string, options: Readonly<Record<string, unknown>>, python?: string) {
    const argument = JSON.stringify(options);
    this.#program =
      python === undefined
        ? forkPython(peers().python, script, argument)
        : new Child(python, ['-u', script, argument], {
            cwd: SCRIPTS,
            env: { ...process.env, PYTHONWARNINGS: 'ignore' },
          });
  }

  get stdin(): Writable {
    return this.#program.stdin;
  }

  get stdout(): Lines {
    return this.#program.stdout;
  }

  get stderr(): Lines {
    return this.#program.stderr;
  }

  get pid(): number | null {
    return this.#program.pid;
  }

  get isRunning(): boolean {
    return this.#program.isRunning;
  }

  get exited(): Promise<number | null> {
    return this.#program.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#program.signal(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return killProgram(this.#program);
  }

  /** All events so far of one kind. */
  events<T = Record<string, never>>(kind: string): T[] {
    return this.stdout.all.flatMap((line) => {
      const event = parse(line);
      return event?.['event'] === kind ? [event as T] : [];
    });
  }

  /** The first matching event of this kind. */
  waitFor<T = Record<string, never>>(
    kind: string,
    fits: (event: T) => boolean = () => true,
    timeoutMs = 30_000,
  ): Promise<T> {
    return this.stdout
      .waitFor(
        `event ${kind}`,
        (line) => {
          const event = parse(line);
          return event?.['event'] === kind && fits(event as T) ? (event as T) : undefined;
        },
        timeoutMs,
      )
      .catch((error: unknown) => {
        throw new Error(`${String(error)}\nstderr: ${this.stderr.all.slice(-8).join('\n')}`);
      });
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  // NetGear also prints some lines.
  return line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : undefined;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Child, type Program } from './child.ts';
import { Lines } from './lines.ts';

const FOLDER = fileURLToPath(new URL('../peers/', import.meta.url));

/** Line of the host: a process was forked, or has ended. */
type Report = { readonly id: number; readonly pid: number } | { readonly pid: number; readonly code: number | null };

/**
 * Forks Python peers from one process that has imported VidGear (test/peers/host.py), which saves about a second per
 * peer. There is one host per test file, because Vitest runs each file in a separate process; it ends with that
 * process.
 */
class PythonHost {
  readonly #child: Child;
  readonly #socket: string;
  readonly #peers = new Map<number, ForkedPeer>();
  #forked = 0;

  constructor(python: string) {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-python-'));
    this.#socket = join(folder, 'host');
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const server = createServer((socket) => this.#accept(socket)).listen(this.#socket);
    server.unref();
    this.#child = new Child(python, ['-u', join(FOLDER, 'host.py')], {
      env: { ...process.env, PYTHONWARNINGS: 'ignore' },
    });
    this.#child.stdout.each((line) => this.#report(JSON.parse(line) as Report));
    this.#child.exited.then(
      (code) => {
        for (const peer of this.#peers.values()) peer.ended(null);
        if (code !== 0)
          console.error(`the Python host ended with ${String(code)}: ${this.#child.stderr.all.slice(-8).join('\n')}`);
      },
      () => undefined,
    );
  }

  fork(script: string, argument: string): ForkedPeer {
    this.#forked += 1;
    const peer = new ForkedPeer();
    this.#peers.set(this.#forked, peer);
    const environment = { ...process.env, PYTHONWARNINGS: 'ignore' };
    this.#child.stdin.write(
      `${JSON.stringify({ id: this.#forked, script, argument, folder: FOLDER, environment, socket: this.#socket })}\n`,
    );
    return peer;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    let head = '';
    const onReadable = (): void => {
      for (let byte = socket.read(1) as Buffer | null; byte !== null; byte = socket.read(1) as Buffer | null) {
        head += byte.toString('latin1');
        if (!head.endsWith('\n')) continue;
        socket.off('readable', onReadable);
        const [id, role] = head.trim().split(' ');
        this.#peers.get(Number(id))?.attach(role as 'out' | 'err', socket);
        return;
      }
    };
    socket.on('readable', onReadable);
  }

  #report(report: Report): void {
    if ('id' in report) {
      this.#peers.get(report.id)?.started(report.pid);
      return;
    }
    for (const [id, peer] of this.#peers) {
      if (peer.pid !== report.pid) continue;
      peer.ended(report.code);
      this.#peers.delete(id);
    }
  }
}

/** A process that the host has forked, or is about to. */
class ForkedPeer implements Program {
  readonly stdin: Writable;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exited: Promise<number | null>;
  readonly #streams = { in: new PassThrough(), out: new PassThrough(), err: new PassThrough() };
  readonly #waiting: NodeJS.Signals[] = [];
  #resolve: (code: number | null) => void = () => undefined;
  readonly #attached = new Set<'out' | 'err'>();
  #isRunning = true;
  pid: number | null = null;

  constructor() {
    this.stdin = this.#streams.in;
    this.stdout = new Lines(this.#streams.out);
    this.stderr = new Lines(this.#streams.err);
    this.exited = new Promise((resolve) => (this.#resolve = resolve));
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#isRunning) return;
    if (this.pid === null) this.#waiting.push(signal);
    else kill(this.pid, signal);
  }

  started(pid: number): void {
    this.pid = pid;
    for (const signal of this.#waiting.splice(0)) kill(pid, signal);
  }

  attach(role: 'out' | 'err', socket: Socket): void {
    this.#attached.add(role);
    socket.pipe(this.#streams[role]);
    if (role === 'out') this.#streams.in.pipe(socket);
  }

  ended(code: number | null): void {
    this.#isRunning = false;
    // A process that was killed before it connected has no output.
    for (const role of ['out', 'err'] as const) if (!this.#attached.has(role)) this.#streams[role].end();
    this.#resolve(code);
  }
}

const hosts = new Map<string, PythonHost>();

/** Runs a script of test/peers in a separate process, like `python -u SCRIPT ARGUMENT`. */
export function forkPython(python: string, script: string, argument: string): Program {
  let host = hosts.get(python);
  if (host === undefined) hosts.set(python, (host = new PythonHost(python)));
  return host.fork(script, argument);
}

/** Sends a signal, unless the process has just ended, which the host has not reported yet. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

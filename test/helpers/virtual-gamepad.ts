import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { peers } from './peers.ts';

/** Library of umockdev, which replaces the system's devices with those of a folder. */
const PRELOADED = { LD_PRELOAD: 'libumockdev-preload.so.0' };

/** A game controller, which exists only for programs with the variables {@link env}. */
export class VirtualGamepad implements AsyncDisposable {
  /** Variables of a Chromium that has the controller. */
  readonly env: Readonly<Record<string, string>>;
  readonly #program: Child;

  private constructor(program: Child, folder: string) {
    this.#program = program;
    this.env = { ...PRELOADED, UMOCKDEV_DIR: folder };
  }

  static async start(): Promise<VirtualGamepad> {
    const script = fileURLToPath(new URL('../peers/gamepad.py', import.meta.url));
    const program = new Child(peers().systemPython, [script], { env: { ...process.env, ...PRELOADED } });
    const { folder } = await program.stdout.waitFor('ready', (line) => JSON.parse(line) as { folder: string });
    return new VirtualGamepad(program, folder);
  }

  /** Moves a stick: -1 to 1, right and down positive. */
  move(axis: number, value: number): void {
    this.#command({ axis, value });
  }

  plug(isPlugged: boolean): void {
    this.#command({ plugged: isPlugged });
  }

  /** Ends the script, which deletes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#program.stdin.end();
    await this.#program.exited;
  }

  #command(command: object): void {
    this.#program.stdin.write(`${JSON.stringify(command)}\n`);
  }
}

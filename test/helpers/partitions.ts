import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.ts';
import { peers } from './peers.ts';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** First three numbers of the addresses between the namespaces, which exist only inside of them. */
const BETWEEN = '10.213.77';

/** Runs `ip`. Fails without root, or where network namespaces cannot be made. */
async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}

/** Number of instances in this process, which have different names. */
let created = 0;

/**
 * Network namespaces that are connected by a bridge in a separate namespace, so that each of them can be cut off:
 * packets are lost without an error. Needs Linux and root.
 */
export class Partitions implements AsyncDisposable {
  readonly #prefix: string;
  readonly #spaces: string[] = [];
  readonly #disposables: AsyncDisposable[] = [];
  readonly #folders: string[] = [];
  /** Links between this process and gateways. */
  readonly #fronts: string[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async create(): Promise<Partitions> {
    created += 1;
    const partitions = new Partitions(`gw${process.pid}${created}`);
    try {
      await partitions.#add('hub');
      await partitions.#ipAt('hub', 'link', 'add', 'br0', 'type', 'bridge');
      await partitions.#ipAt('hub', 'link', 'set', 'br0', 'up');
    } catch (error) {
      await partitions[Symbol.asyncDispose]();
      throw error;
    }
    return partitions;
  }

  /** Address of a namespace for the others. @param number 2 to 254. */
  static address(number: number): string {
    return `${BETWEEN}.${number}`;
  }

  /** A NATS server in its own namespace. */
  async nats(number: number, ...args: string[]): Promise<Child> {
    await this.#connect(number);
    const folder = await mkdtemp(join(tmpdir(), 'gearway-nats-'));
    this.#folders.push(folder);
    // Without this option, a server considers the route to a silent one alive for minutes.
    const configuration = join(folder, 'nats.conf');
    await writeFile(configuration, 'ping_interval: "1s"\nping_max: 2\n');
    const server = this.#start(number, process.env['GEARWAY_NATS_SERVER'] ?? peers().nats, [
      '-a',
      Partitions.address(number),
      '-p',
      '4222',
      '-c',
      configuration,
      '-js',
      '-sd',
      folder,
      ...args,
    ]);
    await server.stderr.waitFor('the ready line', (line) => (line.includes('Server is ready') ? true : undefined));
    return server;
  }

  /**
   * A gateway in its own namespace, which viewers of this process can reach even while it is cut off from the others.
   *
   * @param number different from those of all instances.
   */
  async gateway(number: number, ...args: string[]): Promise<{ readonly process: Child; readonly url: string }> {
    await this.#connect(number);
    const [outside, inside] = [`10.213.${number}.1`, `10.213.${number}.2`];
    const name = `${this.#prefix}f${number}`;
    await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'front', 'netns', this.#name(number));
    this.#fronts.push(name);
    await ip('addr', 'add', `${outside}/30`, 'dev', name);
    await ip('link', 'set', name, 'up');
    await this.#ipAt(number, 'addr', 'add', `${inside}/30`, 'dev', 'front');
    await this.#ipAt(number, 'link', 'set', 'front', 'up');
    const gateway = this.#start(number, process.execPath, [
      'dist/gateway/main.js',
      '--host',
      inside,
      '--port',
      '8080',
      '--insecure',
      ...args,
    ]);
    await gateway.stdout.waitFor('the ready line', (line) => (line.includes('is serving on') ? true : undefined));
    return { process: gateway, url: `http://${inside}:8080` };
  }

  /** Cuts a namespace off from all others, or reconnects it. */
  async cut(number: number): Promise<void> {
    await this.#ipAt('hub', 'link', 'set', `to${number}`, 'down');
  }

  async heal(number: number): Promise<void> {
    await this.#ipAt('hub', 'link', 'set', `to${number}`, 'up');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const disposable of this.#disposables.reverse()) await disposable[Symbol.asyncDispose]();
    // A namespace continues to exist while it has a connection.
    for (const link of this.#fronts) await ip('link', 'del', link);
    // This also deletes the other links.
    for (const space of this.#spaces) await ip('netns', 'del', space);
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }

  async #connect(number: number): Promise<void> {
    await this.#add(number);
    const [port, inside] = [`to${number}`, this.#name(number)];
    await this.#ipAt('hub', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'up0', 'netns', inside);
    await this.#ipAt('hub', 'link', 'set', port, 'master', 'br0');
    await this.#ipAt('hub', 'link', 'set', port, 'up');
    await this.#ipAt(number, 'addr', 'add', `${Partitions.address(number)}/24`, 'dev', 'up0');
    await this.#ipAt(number, 'link', 'set', 'up0', 'up');
  }

  async #add(space: number | 'hub'): Promise<void> {
    const name = this.#name(space);
    await ip('netns', 'add', name);
    this.#spaces.push(name);
    await this.#ipAt(space, 'link', 'set', 'lo', 'up');
  }

  #ipAt(space: number | 'hub', ...args: string[]): Promise<void> {
    return ip('-n', this.#name(space), ...args);
  }

  #start(space: number, command: string, args: readonly string[]): Child {
    const child = new Child('ip', ['netns', 'exec', this.#name(space), command, ...args], { cwd: ROOT });
    this.#disposables.push(child);
    return child;
  }

  #name(space: number | 'hub'): string {
    return `${this.#prefix}-${space}`;
  }
}

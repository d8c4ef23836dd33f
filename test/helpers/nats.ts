import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { freePorts } from './free-port.ts';
import { peers } from './peers.ts';

/** A real nats-server with JetStream, which keeps its port and its files across restarts. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Null without JetStream. */
  readonly #folder: string | null;
  readonly #args: readonly string[];
  #process: Child | null = null;

  private constructor(port: number, folder: string | null, args: readonly string[]) {
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#args = args;
  }

  static async start(...args: string[]): Promise<NatsServer> {
    const [port = 0] = await freePorts(1);
    const server = await NatsServer.create(port, ...args);
    await server.start();
    return server;
  }

  /** A server without JetStream that is a leaf node. @param path path of its configuration file. */
  static async startLeaf(path: string): Promise<NatsServer> {
    const [port = 0] = await freePorts(1);
    const server = new NatsServer(port, null, ['-c', path]);
    await server.start();
    return server;
  }

  /** Three servers that form a NATS cluster, in which one may be missing. */
  static async startCluster(): Promise<readonly [NatsServer, NatsServer, NatsServer]> {
    const ports = await freePorts(6);
    const routes = ports
      .slice(3)
      .map((port) => `nats://127.0.0.1:${port}`)
      .join(',');
    const create = (index: number): Promise<NatsServer> =>
      NatsServer.create(
        ports[index] ?? 0,
        '--name',
        `n${index}`,
        '--cluster_name',
        'test',
        '--cluster',
        `nats://127.0.0.1:${ports[index + 3]}`,
        '--routes',
        routes,
      );
    const servers = [await create(0), await create(1), await create(2)] as const;
    await Promise.all(servers.map((server) => server.start()));
    return servers;
  }

  private static async create(port: number, ...args: string[]): Promise<NatsServer> {
    return new NatsServer(port, await mkdtemp(join(tmpdir(), 'gearway-nats-')), args);
  }

  get pid(): number {
    return this.#process?.process.pid ?? 0;
  }

  get log(): readonly string[] {
    return this.#process?.stderr.all ?? [];
  }

  /** Resolves when it accepts connections. */
  async start(): Promise<void> {
    this.#process = new Child(process.env['GEARWAY_NATS_SERVER'] ?? peers().nats, [
      '-a',
      '127.0.0.1',
      '-p',
      String(this.port),
      ...(this.#folder === null ? [] : ['-js', '-sd', this.#folder]),
      ...this.#args,
    ]);
    await this.#process.stderr.waitFor('the ready line', (line) =>
      line.includes('Server is ready') ? line : undefined,
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal);
  }

  /** Kills the server, which can be restarted. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#process?.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
  }
}

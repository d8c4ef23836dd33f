import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { connect } from 'node:tls';
import { parse } from 'yaml';
import { Child } from './child.ts';
import { Disposables } from './disposables.ts';
import { ROOT } from './example-lines.ts';
import { freePorts } from './free-port.ts';
import { peers } from './peers.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
}

const FOLDER = join(ROOT, 'deploy/compose');
const TOKENS: Readonly<Record<string, string>> = { token: 'compose-token', 'view-token': 'compose-view-token' };

/**
 * Runs the services of a file in deploy/compose/ as processes of this machine: their commands, with the files that are
 * mounted into them. Each service has its own loopback address, which replaces its name, so that its ports remain
 * unchanged. Cameras are replaced by test patterns.
 */
export class Compose extends Disposables {
  static readonly token = TOKENS['token']!;
  readonly #services: ReadonlyMap<string, Service>;
  readonly #network = `127.${10 + (process.pid % 200)}.${1 + Math.floor(Math.random() * 250)}`;
  readonly #folder: string;
  readonly #domain: string;
  readonly #running = new Map<string, Child>();

  private constructor(services: ReadonlyMap<string, Service>, folder: string, domain: string) {
    super();
    this.#services = services;
    this.#folder = folder;
    this.#domain = domain;
  }

  static async open(name: string): Promise<Compose> {
    const { services } = parse(await readFile(join(FOLDER, name), 'utf8'), { merge: true }) as {
      services: Record<string, Service>;
    };
    const folder = await mkdtemp(join(tmpdir(), 'gearway-compose-'));
    for (const [secret, text] of Object.entries(TOKENS))
      await writeFile(join(folder, secret), text, { mode: 0o600, flag: 'w' });
    const [port] = await freePorts(1);
    return new Compose(new Map(Object.entries(services)), folder, `localhost:${port}`);
  }

  /** Names of the services with this image. */
  named(image: string): readonly string[] {
    return [...this.#services].filter(([, service]) => service.image.startsWith(image)).map(([name]) => name);
  }

  /** The public address, with a trailing slash. */
  get url(): string {
    return `https://${this.#domain}/`;
  }

  address(service: string): string {
    return `${this.#network}.${1 + [...this.#services.keys()].indexOf(service)}`;
  }

  child(service: string): Child {
    return this.#running.get(service)!;
  }

  /** Starts services. @returns when each has printed that it is ready. */
  async start(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#start(name)));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(name: string): Promise<void> {
    const service = this.#services.get(name)!;
    const home = join(this.#folder, name);
    await mkdir(home);
    for (const volume of service.volumes ?? []) {
      const [from, to] = volume.split(':') as [string, string];
      if (from.startsWith('.')) await this.#mount(join(FOLDER, from), join(home, basename(to)));
    }
    const env = {
      ...process.env,
      DOMAIN: this.#domain,
      GEARWAY_HOST: this.address(name),
      CAMERA_PASSWORD: 'secret',
      HOME: home,
      XDG_DATA_HOME: home,
      XDG_CONFIG_HOME: home,
      XDG_RUNTIME_DIR: home,
    };
    const [command, args, ready] = this.#command(name, service, home);
    const child = this.use(
      new Child(command, args, { cwd: service.image === 'gearway' ? join(home, 'gearway') : home, env }),
    );
    this.#running.set(name, child);
    const isReady = (line: string): string | undefined => (ready.test(line) ? line : undefined);
    await Promise.any([child.stdout, child.stderr].map((lines) => lines.waitFor(`${name} to be ready`, isReady))).catch(
      () => {
        throw new Error(`${name} did not start:\n${[...child.stdout.all, ...child.stderr.all].slice(-20).join('\n')}`);
      },
    );
    if (service.image.startsWith('caddy')) await this.#handshake();
  }

  /** Waits until Caddy has created its certificate, which happens in the background. */
  async #handshake(): Promise<void> {
    const { hostname: servername, port } = new URL(this.url);
    for (;;) {
      const socket = connect({ servername, host: servername, port: Number(port), rejectUnauthorized: false });
      try {
        await once(socket, 'secureConnect');
        return;
      } catch {
        // The next attempt reports the failure.
      } finally {
        socket.destroy();
      }
    }
  }

  #command(name: string, service: Service, home: string): [command: string, args: readonly string[], ready: RegExp] {
    const address = this.address(name);
    switch (service.image.split(':')[0]) {
      case 'gearway':
        return [process.execPath, [join(ROOT, 'dist/gateway/main.js')], /^Gearway is serving on /];
      case 'caddy':
        return [
          peers().caddy,
          ['run', '--config', join(home, 'Caddyfile'), '--adapter', 'caddyfile'],
          /serving initial/,
        ];
      case 'nats':
        return [
          peers().nats,
          [
            '--addr',
            address,
            ...service.command!.map((each) => this.#here(each === '/data' ? join(home, 'data') : each)),
          ],
          /Server is ready/,
        ];
      case 'prom/prometheus':
        return [
          peers().prometheus,
          [
            `--config.file=${join(home, 'prometheus.yml')}`,
            `--storage.tsdb.path=${join(home, 'data')}`,
            `--web.listen-address=${address}:9090`,
          ],
          /Server is ready/,
        ];
      default:
        throw new Error(`${name}: there is no program for the image ${service.image}`);
    }
  }

  /** Copies mounted files, with names and paths of this machine. */
  async #mount(from: string, to: string): Promise<void> {
    await cp(from, to, { recursive: true });
    for (const file of [to, join(to, 'gateway.yaml')]) {
      const text = await readFile(file, 'utf8').catch(() => null);
      if (text !== null) await writeFile(file, this.#here(text));
    }
  }

  #here(text: string): string {
    const names = [...this.#services.keys()].join('|');
    return text
      .replaceAll(new RegExp(`\\b(${names}):(?=\\d)`, 'g'), (_all, name: string) => `${this.address(name)}:`)
      .replaceAll('/run/secrets/', `${this.#folder}/`)
      .replaceAll(/source: (?:ffmpeg|mjpeg):\S+/g, 'source: test-pattern:?size=320x180&fps=15')
      .replaceAll(/tcp:\/\/0\.0\.0\.0:5555/g, `tcp://${this.address('gateway')}:5555`)
      .replaceAll(/172\.30\.\d+\.0\/24/g, 'loopback')
      .replace(/^\{\$DOMAIN\} \{/m, `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n$&`);
  }
}

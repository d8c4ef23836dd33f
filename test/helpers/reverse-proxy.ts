import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { peers } from './peers.ts';

export type ProxyName = 'nginx' | 'caddy';

const certificateFile = (name: 'cert' | 'key'): string =>
  fileURLToPath(new URL(`./certificate/${name}.pem`, import.meta.url));

/** A real nginx or Caddy on this machine, which serves a gateway under a public name with TLS. */
export class ReverseProxy implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: Child;

  private constructor(folder: string, process: Child) {
    this.#folder = folder;
    this.#process = process;
  }

  /**
   * Starts a proxy in a temporary folder, and waits until it accepts connections.
   *
   * @param config as in docs/behind-a-proxy.md: the usual port, the paths of the certificate and the address of the
   * gateway are replaced.
   * @param port where it listens.
   * @param gatewayPort of the gateway, on this machine. It need not run yet.
   */
  static async start(name: ProxyName, config: string, port: number, gatewayPort: number): Promise<ReverseProxy> {
    const command: string | undefined = peers()[name];
    if (command === undefined) throw new Error(`${name} is not set up: run npm test, or node scripts/setup-peers.mjs`);
    const folder = await mkdtemp(join(tmpdir(), `gearway-${name}-`));
    const file = join(folder, 'config');
    const text = config.replaceAll('127.0.0.1:8080', `127.0.0.1:${gatewayPort}`);
    await writeFile(file, name === 'nginx' ? nginxConfig(text, folder, port) : caddyConfig(text, port));
    await mkdir(join(folder, 'logs'), { recursive: true });
    const process =
      name === 'nginx'
        ? new Child(command, ['-p', folder, '-c', file, '-e', join(folder, 'error.log')])
        : new Child(command, ['run', '--config', file, '--adapter', 'caddyfile'], {
            cwd: folder,
            env: { ...globalThis.process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
          });
    const proxy = new ReverseProxy(folder, process);
    try {
      while (!(await accepts(port))) {
        if (!process.isRunning) throw new Error(`${name} ended:\n${process.stderr.all.join('\n')}`);
      }
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
    return proxy;
  }

  /**
   * Reloads the configuration, like nginx on SIGHUP: new workers take over, and the old ones end with their connections.
   */
  reload(): void {
    this.#process.signal('SIGHUP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // nginx's workers end with their master only on SIGTERM.
    if (this.#process.isRunning) this.#process.signal('SIGTERM');
    await this.#process.exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function nginxConfig(server: string, folder: string, port: number): string {
  const own = server
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`)
    .replace(/ssl_certificate \S+;/, `ssl_certificate ${certificateFile('cert')};`)
    .replace(/ssl_certificate_key \S+;/, `ssl_certificate_key ${certificateFile('key')};`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join('\n');
  // One process without privileges, because this user owns the files.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off; ${user} worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};
events { worker_connections 512; }
http { access_log off; ${temporary}
${own}
}
`;
}

function caddyConfig(site: string, port: number): string {
  const own = site.replace(
    /^(\S+) \{/m,
    (_all, name: string) =>
      `https://${name}:${port} {\n\ttls ${certificateFile('cert')} ${certificateFile('key')}\n\tbind 127.0.0.1`,
  );
  return `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n${own}`;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

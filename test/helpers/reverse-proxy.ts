import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.ts';
import { peers } from './peers.ts';

const run = promisify(execFile);

export type ProxyName = 'nginx' | 'caddy';

const certificateFile = (name: 'cert.pem' | 'key.pem'): string =>
  fileURLToPath(new URL(`./certificate/${name}`, import.meta.url));

/** A real nginx or Caddy on this machine, which serves a gateway under a public name with TLS. */
export class ReverseProxy implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: Child;
  readonly #command: string;
  readonly #name: ProxyName;

  private constructor(name: ProxyName, command: string, folder: string, process: Child) {
    this.#name = name;
    this.#command = command;
    this.#folder = folder;
    this.#process = process;
  }

  /**
   * Starts a proxy in a temporary folder, and waits until it accepts connections.
   *
   * @param config configuration as in docs/behind-a-proxy.md: the usual port, the paths of the certificate and the
   * address of the gateway are replaced.
   * @param port port on which it listens.
   * @param gatewayPort port of the gateway on this machine, which need not run yet.
   */
  static async start(name: ProxyName, config: string, port: number, gatewayPort: number): Promise<ReverseProxy> {
    const command: string | undefined = peers()[name];
    if (command === undefined) throw new Error(`${name} is not set up: run npm test, or node scripts/setup-peers.mjs`);
    const folder = await mkdtemp(join(tmpdir(), `gearway-${name}-`));
    const file = join(folder, 'config');
    for (const each of ['cert.pem', 'key.pem'] as const) await cp(certificateFile(each), join(folder, each));
    const text = config.replaceAll('127.0.0.1:8080', `127.0.0.1:${gatewayPort}`);
    await writeFile(file, name === 'nginx' ? nginxConfig(text, folder, port) : caddyConfig(text, folder, port));
    await mkdir(join(folder, 'logs'), { recursive: true });
    const process =
      name === 'nginx'
        ? new Child(command, ['-p', folder, '-c', file, '-e', join(folder, 'error.log')])
        : new Child(command, ['run', '--config', file, '--adapter', 'caddyfile'], {
            cwd: folder,
            env: { ...globalThis.process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
          });
    const proxy = new ReverseProxy(name, command, folder, process);
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

  /** Replaces the certificate, as after a renewal, and makes the proxy use it as its administrator does. */
  async renew(cert: string, key: string): Promise<void> {
    await writeFile(join(this.#folder, 'cert.pem'), cert);
    await writeFile(join(this.#folder, 'key.pem'), key);
    const file = join(this.#folder, 'config');
    if (this.#name === 'nginx') {
      await run(this.#command, ['-p', this.#folder, '-c', file, '-e', join(this.#folder, 'error.log'), '-s', 'reload']);
      return;
    }
    const address = `unix/${join(this.#folder, 'admin.sock')}`;
    await run(this.#command, ['reload', '--force', '--config', file, '--adapter', 'caddyfile', '--address', address], {
      env: { ...globalThis.process.env, HOME: this.#folder },
    });
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
    .replace(/ssl_certificate \S+;/, `ssl_certificate ${join(folder, 'cert.pem')};`)
    .replace(/ssl_certificate_key \S+;/, `ssl_certificate_key ${join(folder, 'key.pem')};`);
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

function caddyConfig(site: string, folder: string, port: number): string {
  const own = site.replace(
    /^(\S+) \{/m,
    (_all, name: string) =>
      `https://${name}:${port} {\n\ttls ${join(folder, 'cert.pem')} ${join(folder, 'key.pem')}\n\tbind 127.0.0.1`,
  );
  return `{\n\tadmin unix/${join(folder, 'admin.sock')}\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n${own}`;
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

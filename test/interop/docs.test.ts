import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { peers } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

const DOCS = ['python-server.md', 'python-clients.md']
  .map((name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8'))
  .join('\n');
const BLOCKS = [...DOCS.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language,
  text: text ?? '',
}));

/**
 * The programs and commands of docs/python-server.md and docs/python-clients.md, with other ports, because those of the
 * pages may be in use.
 */
class Page implements AsyncDisposable {
  readonly #folder: string;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #children: AsyncDisposable[] = [];

  private constructor(folder: string, ports: ReadonlyMap<string, number>) {
    this.#folder = folder;
    this.#ports = ports;
  }

  static async open(...ports: string[]): Promise<Page> {
    const free = await freePorts(ports.length);
    return new Page(
      await mkdtemp(join(tmpdir(), 'gearway-docs-')),
      new Map(ports.map((port, index) => [port, free[index]!])),
    );
  }

  port(written: string): number {
    return this.#ports.get(written)!;
  }

  /** The Python program whose first line is this name. */
  python(name: string, ...args: string[]): Child {
    const block = BLOCKS.find(({ language, text }) => language === 'python' && text.startsWith(`# ${name}\n`));
    if (block === undefined) throw new Error(`docs/python-*.md has no ${name}`);
    const path = join(this.#folder, name);
    writeFileSync(path, this.#here(block.text));
    return this.#keep(
      new Child(peers().python, ['-u', path, ...args], { env: { ...process.env, PYTHONWARNINGS: 'ignore' } }),
    );
  }

  /** The command that contains this text. */
  async gateway(part: string): Promise<GatewayProcess> {
    const block = BLOCKS.find(({ language, text }) => language === 'sh' && text.includes(part));
    const command = /^npm start -- (.*)$/m.exec(block?.text ?? '')?.[1];
    if (command === undefined) throw new Error(`docs/python-*.md has no command with ${part}`);
    return this.#keep(await GatewayProcess.start(...this.#here(command).replaceAll('"', '').split(' ')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.reverse()) await child[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }

  #keep<T extends AsyncDisposable>(child: T): T {
    this.#children.push(child);
    return child;
  }

  #here(text: string): string {
    return text.replaceAll(/\b\d{4}\b/g, (port) => String(this.#ports.get(port) ?? port));
  }
}

const fits =
  (pattern: RegExp) =>
  (line: string): string | undefined =>
    pattern.test(line) ? line : undefined;

describe('docs/python-server.md and docs/python-clients.md', () => {
  it('adds the gateway to a server', async () => {
    await using page = await Page.open('5555', '5567');
    const gateway = await page.gateway('--client "tcp://127.0.0.1:5567?pattern=1"');
    const client = page.python('client.py');
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using viewer = await WebViewer.open(`${await gateway.url}/streams/main`);
    expect((await viewer.welcome).port).toBe(6000);
    const server = page.python('server.py');
    await server.stdout.waitFor('the return data of the clients', (line) =>
      line.includes(`'${page.port('5567')}': 'Hi'`) && line.includes("'6000': None") ? line : undefined,
    );
    // The server sends as fast as it can, so the client skips frames, and it is unknown which ones it prints.
    await client.stdout.waitFor('a message with its frame', fits(/^\{'number': [1-9]\d*\} \(480, 640, 3\)$/));
  });

  it('assigns the ports of a server in multi-clients mode to its clients', async () => {
    await using page = await Page.open('5577', '5578');
    const gateway = await page.gateway('multiclient=true');
    await using viewer = await WebViewer.open(`${await gateway.url}/streams/main`);
    expect((await viewer.welcome).port).toBe(page.port('5577'));
  });

  it('creates one stream per server in multi-servers mode', async () => {
    await using page = await Page.open('5566', '5577', '5588', '5600');
    const gateway = await page.gateway('multiserver=true');
    const streams = (await (await fetch(`${await gateway.url}/api/streams`)).json()) as {
      name: string;
      clients: { port: number }[];
    }[];
    expect(streams.map(({ name, clients }) => [name, clients.map(({ port }) => port)])).toEqual([
      [String(page.port('5566')), [page.port('5600')]],
      [String(page.port('5577')), []],
      [String(page.port('5588')), []],
    ]);
  });

  it('replaces a server with the gateway', async () => {
    await using page = await Page.open('5555', '5567', '5577');
    const gateway = await page.gateway('--client "tcp://127.0.0.1:5567" --client "tcp://127.0.0.1:5577"');
    const [first, second] = ['5567', '5577'].map((port) => page.python('receiver.py', String(page.port(port))));
    await gateway.statusWhere('two live clients', ({ clients }) => clients.every(({ state }) => state === 'live'));
    const sender = page.python('sender.py');
    for (const port of ['5567', '5577'])
      await sender.stdout.waitFor('return data', fits(new RegExp(`${page.port(port)} from ${page.port(port)}`)));
    for (const receiver of [first, second])
      await receiver!.stdout.waitFor('a message with its frame', fits(/^[1-9]\d* \(480, 640, 3\)$/));
  });
});

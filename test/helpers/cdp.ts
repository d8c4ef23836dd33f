import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { Lines } from './lines.ts';
import { peers } from './peers.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Reply {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

const FLAGS = [
  '--headless=new',
  '--remote-debugging-port=0',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Chromium over its own protocol (CDP), for features that a testing library does not support: screencasts and plain
 * tabs of one profile.
 */
export class CdpBrowser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #pending = new Map<
    number,
    { resolve: (result: Fields) => void; reject: (error: Error) => void; method: string }
  >();
  readonly #tabs = new Map<string, CdpTab>();
  #lastId = 0;

  private constructor(process: ChildProcess, folder: string, socket: WebSocket) {
    this.#process = process;
    this.#folder = folder;
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#received(JSON.parse(data.toString()) as Reply));
    socket.on('close', () => {
      for (const { reject, method } of this.#pending.values())
        reject(new Error(`Chromium exited before it answered ${method}`));
      this.#pending.clear();
    });
  }

  static async launch(): Promise<CdpBrowser> {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-chromium-'));
    const child = spawn(
      peers().chromium,
      [...FLAGS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), `--user-data-dir=${folder}`, 'about:blank'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const url = await new Lines(child.stderr).waitFor(
      "Chromium's address",
      (line) => /^DevTools listening on (ws:\S+)$/.exec(line)?.[1],
    );
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 1 << 28 });
    await once(socket, 'open');
    return new CdpBrowser(child, folder, socket);
  }

  /** An empty tab of the only profile, in a separate window, because hidden tabs are not painted. */
  async open(): Promise<CdpTab> {
    const { targetId } = (await this.send('Target.createTarget', {
      url: 'about:blank',
      newWindow: true,
      width: 640,
      height: 480,
    })) as { targetId: string };
    const { sessionId } = (await this.send('Target.attachToTarget', { targetId, flatten: true })) as {
      sessionId: string;
    };
    const tab = new CdpTab(this, targetId, sessionId);
    this.#tabs.set(sessionId, tab);
    await tab.send('Page.enable');
    await tab.send('Runtime.enable');
    return tab;
  }

  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, method });
      this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited =
      this.#process.exitCode === null && this.#process.signalCode === null
        ? once(this.#process, 'exit')
        : Promise.resolve();
    this.send('Browser.close').catch(() => undefined); // The browser may exit before it answers.
    const killer = setTimeout(() => this.#process.kill('SIGKILL'), 3000);
    await exited;
    clearTimeout(killer);
    this.#socket.terminate();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #received({ id, sessionId, method, params = {}, result = {}, error }: Reply): void {
    if (id === undefined) {
      if (sessionId !== undefined && method !== undefined) this.#tabs.get(sessionId)?.received(method, params);
      return;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(new Error(`${pending.method}: ${error.message}`));
  }
}

/** A tab, which ends with its browser, or when it is closed. */
export class CdpTab {
  readonly #browser: CdpBrowser;
  readonly #targetId: string;
  readonly #sessionId: string;
  readonly #listeners = new Map<string, Set<(params: Fields) => void>>();

  constructor(browser: CdpBrowser, targetId: string, sessionId: string) {
    this.#browser = browser;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
  }

  send(method: string, params: Fields = {}): Promise<Fields> {
    return this.#browser.send(method, params, this.#sessionId);
  }

  /** Called with each event of this name until the returned function is called. */
  on<T>(method: string, listener: (params: T) => void): () => void {
    const listeners = this.#listeners.get(method) ?? new Set();
    this.#listeners.set(method, listeners);
    listeners.add(listener as (params: Fields) => void);
    return () => void listeners.delete(listener as (params: Fields) => void);
  }

  /** Resolves when the page and all resources of its HTML have been loaded. */
  async navigate(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      const off = this.on('Page.loadEventFired', () => {
        off();
        resolve();
      });
    });
    await this.send('Page.navigate', { url });
    await loaded;
  }

  received(method: string, params: Fields): void {
    for (const listener of this.#listeners.get(method) ?? []) listener(params);
  }

  async close(): Promise<void> {
    await this.#browser.send('Target.closeTarget', { targetId: this.#targetId });
  }

  /** Evaluates a JavaScript expression; promises are awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as {
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Evaluates the expression ten times per second until it is true. */
  async until(expression: string, timeoutMs = 20_000): Promise<void> {
    for (const deadline = performance.now() + timeoutMs; ;) {
      if ((await this.evaluate<unknown>(expression)) === true) return;
      if (performance.now() > deadline)
        throw new Error(`did not become true within ${timeoutMs / 1000} s: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

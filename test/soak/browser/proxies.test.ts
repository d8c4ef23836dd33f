import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { connect as tlsConnect } from 'node:tls';
import { promisify } from 'node:util';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { encodeMessage, PROTOCOL } from '../../../shared/protocol.ts';
import type { StreamStatus } from '../../../shared/status.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { launchBrowser, SHARED_CAMERA_FPS } from '../../helpers/browsers.ts';
import { Disposables } from '../../helpers/disposables.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess, SMALL_PATTERN } from '../../helpers/gateway-process.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { type ProxyName, ReverseProxy } from '../../helpers/reverse-proxy.ts';
import { closeWindow, openWindow } from '../../helpers/windows.ts';

// The recipes of docs/behind-a-proxy.md in front of a gateway, and the messages for wrong set-ups.

const NAME = 'cams.example.org';
const TOKEN = 's3cret';

const docs = await readFile(new URL('../../../docs/behind-a-proxy.md', import.meta.url), 'utf8');

function recipes(language: string): readonly [root: string, path: string] {
  const [root, path] = [...docs.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text]) => text!,
  );
  return [root!, path!];
}

const [nginxRoot, nginxLocation] = recipes('nginx');
const [caddyRoot, caddyOtherName] = recipes('caddy');
const caddyPath = caddyOtherName.replace('example.org', NAME);
const nginxPath = nginxRoot.replace(/^ {4}location [\s\S]*?^ {4}\}\n/m, nginxLocation);

/** A recipe without matching lines. */
const without = (recipe: string, lines: RegExp): string =>
  recipe
    .split('\n')
    .filter((line) => !lines.test(line))
    .join('\n');

const WEB_SOCKET_LINES = /Upgrade|upgrade/;
const HOST_LINE = /proxy_set_header Host/;
const ADDRESS_LINES = /X-Forwarded/;

/** A gateway and the proxy in front of it. */
class SetUp extends Disposables {
  readonly #options: readonly string[];
  readonly #gatewayPort: number;
  #gateway: LocalGateway | GatewayProcess;
  /** The public address, with a trailing slash. */
  readonly url: string;
  readonly proxy: ReverseProxy;

  private constructor(
    gateway: LocalGateway | GatewayProcess,
    proxy: ReverseProxy,
    url: string,
    gatewayPort: number,
    options: readonly string[],
  ) {
    super();
    this.#gateway = gateway;
    this.proxy = this.use(proxy);
    this.url = url;
    this.#gatewayPort = gatewayPort;
    this.#options = options;
  }

  /**
   * @param options of the gateway; PUBLIC is replaced by the public address.
   * @param kind of the gateway: only a process can be killed.
   */
  static async start(
    name: ProxyName,
    recipe: string,
    path: string,
    options: readonly string[],
    kind: typeof LocalGateway | typeof GatewayProcess = LocalGateway,
  ): Promise<SetUp> {
    const [port, gatewayPort] = (await freePorts(2)) as [number, number];
    const url = `https://${NAME}:${port}${path}`;
    const all = [
      '--port',
      String(gatewayPort),
      '--token',
      TOKEN,
      '--source',
      `main=${SMALL_PATTERN}`,
      '--source',
      'cam=push:',
      ...options.map((option) => option.replace('PUBLIC', url)),
    ];
    const proxy = await ReverseProxy.start(name, recipe, port, gatewayPort);
    try {
      return new SetUp(await kind.start(...all), proxy, url, gatewayPort, all);
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway[Symbol.asyncDispose]();
    await super[Symbol.asyncDispose]();
  }

  async kill(): Promise<void> {
    if (this.#gateway instanceof LocalGateway) throw new Error('a gateway in this process cannot be killed');
    this.#gateway.signal('SIGKILL');
    await this.#gateway.exited;
  }

  /** After {@link kill}. */
  async restart(): Promise<void> {
    this.#gateway = await GatewayProcess.start(...this.#options);
  }

  async status(stream = 'main'): Promise<StreamStatus> {
    const response = await fetch(`http://127.0.0.1:${this.#gatewayPort}/api/streams/${stream}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return (await response.json()) as StreamStatus;
  }

  /** A GET through the proxy from another address of this machine. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    const outgoing = request(new URL(path, this.url), {
      ...ELSEWHERE,
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  }

  /** Fingerprint of the certificate that a new connection gets. */
  async fingerprint(): Promise<string> {
    const socket = tlsConnect({
      port: Number(new URL(this.url).port),
      host: '127.0.0.1',
      servername: NAME,
      rejectUnauthorized: false,
    });
    try {
      await once(socket, 'secureConnect');
      return socket.getPeerCertificate().fingerprint256;
    } finally {
      socket.destroy();
    }
  }

  /** Log lines that begin with this text after the time, which those of a process have, and the level. */
  logged(start: string): readonly string[] {
    const lines = this.#gateway instanceof LocalGateway ? this.#gateway.log : this.#gateway.stderr.all;
    return lines
      .map((line) => line.replace(/^(?:\d\S+ )?(?:warning: |error: )?/, ''))
      .filter((line) => line.startsWith(start));
  }
}

/** A new self-signed certificate. */
async function makeCertificate(name: string): Promise<{ cert: string; key: string; fingerprint: string }> {
  const options = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -keyout - -out -'.split(' ');
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  const { stdout } = await promisify(execFile)('openssl', [...options, ...subject]);
  const [key = '', cert = ''] = stdout.match(/-----BEGIN [\s\S]*?-----END .*-----\n/g) ?? [];
  return { cert, key, fingerprint: new X509Certificate(cert).fingerprint256 };
}

/** A client of the proxy with an address other than that of the proxy. */
const lookup: LookupFunction = (_name, { all }, done) =>
  all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
const ELSEWHERE = { localAddress: '127.0.0.9', rejectUnauthorized: false, lookup } as const;

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser('chromium', {
    camera: 'fake',
    cameraFps: SHARED_CAMERA_FPS,
    flags: ['--ignore-certificate-errors', `--host-resolver-rules=MAP ${NAME} 127.0.0.1`],
  });
});
afterAll(async () => {
  await browser.close();
});

interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  readonly problems: string[];
}

/** A page with its problems: violations of the policy, errors of scripts. */
async function open(url: string): Promise<WatchedPage> {
  const problems: string[] = [];
  const page = await openWindow(browser, 'about:blank', () => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`violation of ${violatedDirective}: ${blockedURI}`),
    );
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (/violat|Permissions-Policy|Cross-Origin-Opener/i.test(message.text())) problems.push(message.text());
  });
  await page.goto(url);
  return { page, problems, [Symbol.asyncDispose]: () => closeWindow(page) };
}

const showsText = (page: Page, words: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, words);

async function giveToken(page: Page): Promise<void> {
  const field = await page.waitForFunction(() => {
    const input = document.querySelector('input[name=token]');
    return input?.checkVisibility() === true ? input : null;
  });
  await field.asElement()!.type(TOKEN);
  await field.asElement()!.press('Enter');
}

const becomes = (page: Page, tag: string, state: string): Promise<unknown> =>
  page.waitForFunction(`document.querySelector('${tag}')?.state === '${state}'`);
const gives = (page: Page, tag: string, words: string): Promise<unknown> =>
  page.waitForFunction(`document.querySelector('${tag}')?.reason.includes(${JSON.stringify(words)})`);

describe.each<[string, ProxyName, string, string]>([
  ['nginx at the root', 'nginx', nginxRoot, '/'],
  ['nginx under a path', 'nginx', nginxPath, '/cams/'],
  ['Caddy at the root', 'caddy', caddyRoot, '/'],
  ['Caddy under a path', 'caddy', caddyPath, '/cams/'],
])('the recipe for %s', (_name, proxyName, recipe, path) => {
  let setUp: SetUp;
  beforeAll(async () => {
    const options = ['--public-url', 'PUBLIC', '--trust-proxy', 'loopback'];
    setUp = await SetUp.start(proxyName, recipe, path, options, GatewayProcess);
  });
  afterAll(async () => {
    await setUp[Symbol.asyncDispose]();
  });

  it('shows the console, live, with public addresses to copy', async () => {
    await using opened = await open(`${setUp.url}?stream=main`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
    await opened.page.locator('section[aria-label="Connect"] summary').click();
    await showsText(opened.page, `${setUp.url}streams/main/mjpeg`);
    expect(opened.problems).toEqual([]);
  });

  it('shows the viewer, live again after a reload of the page', async () => {
    await using opened = await open(`${setUp.url}viewer`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
    await opened.page.reload();
    await becomes(opened.page, 'gearway-viewer', 'live');
    expect(opened.problems).toEqual([]);
  });

  it('publishes a camera', async () => {
    await using opened = await open(`${setUp.url}publish?stream=cam&start`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-publisher', 'live');
    await expect.poll(async () => (await setUp.status('cam')).state).toBe('live');
    expect(opened.problems).toEqual([]);
  });

  it('forwards MJPEG, snapshots and events without buffering them', async () => {
    const snapshot = await setUp.get('streams/main/snapshot.jpg');
    expect(snapshot.statusCode).toBe(200);
    expect((await buffer(snapshot)).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
    const mjpeg = await setUp.get('streams/main/mjpeg?fps=5');
    let parts = 0;
    for await (const piece of mjpeg as AsyncIterable<Buffer>) {
      parts += piece.toString('latin1').split('image/jpeg').length - 1;
      if (parts >= 4) break;
    }
    const events = await setUp.get('api/events');
    const [first] = (await once(events, 'data')) as [Buffer];
    expect(String(first)).toContain('retry:');
    events.destroy();
    expect(parts).toBeGreaterThanOrEqual(4);
  });

  it('distinguishes clients by their own addresses, which they cannot forge', async () => {
    const socket = new WebSocket(`${setUp.url.replace('https', 'wss')}streams/main/ws`, PROTOCOL, {
      ...ELSEWHERE,
      headers: { 'x-forwarded-for': '203.0.113.7' },
    });
    await once(socket, 'open');
    socket.send(encodeMessage({ type: 'hello', token: TOKEN, name: 'elsewhere' }));
    await once(socket, 'message');
    expect((await setUp.status()).clients.map(({ address }) => address)).toContain('elsewhere (127.0.0.9)');
    socket.close();
    await once(socket, 'close');
  });

  // Not skipped for the root path, because a skipped test counts as failed.
  if (path !== '/')
    it('redirects from the path without a slash to the page', async () => {
      const answer = await setUp.get(path.slice(0, -1));
      answer.resume();
      expect([301, 302]).toContain(answer.statusCode);
      expect(new URL(answer.headers.location!, setUp.url).pathname).toBe(path);
    });

  it('continues after the proxy has reloaded a renewed certificate', async () => {
    await using watched = await open(`${setUp.url}viewer?stream=main`);
    await giveToken(watched.page);
    await becomes(watched.page, 'gearway-viewer', 'live');
    await using published = await open(`${setUp.url}publish?stream=cam&start`);
    await giveToken(published.page);
    await becomes(published.page, 'gearway-publisher', 'live');
    const { cert, key, fingerprint } = await makeCertificate(NAME);
    expect(await setUp.fingerprint()).not.toBe(fingerprint);
    await setUp.proxy.renew(cert, key);
    await expect.poll(() => setUp.fingerprint()).toBe(fingerprint);
    // Without a reload of the pages, whether their sockets continued or connected again.
    const counts = async (): Promise<number[]> => [
      await watched.page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.stats?.painted ?? 0),
      (await setUp.status('cam')).counters.received,
    ];
    const before = await counts();
    await expect
      .poll(async () => (await counts()).map((count, index) => count > before[index]! + 10), { timeout: 30_000 })
      .toEqual([true, true]);
    await becomes(watched.page, 'gearway-viewer', 'live');
    await becomes(published.page, 'gearway-publisher', 'live');
    expect([...watched.problems, ...published.problems]).toEqual([]);
  });

  it('survives a restart of the gateway, which the page reports meanwhile', async () => {
    await using opened = await open(`${setUp.url}?stream=main`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
    await setUp.kill();
    await showsText(opened.page, 'The proxy in front of the gateway answers with status 502');
    await opened.page.waitForFunction(() =>
      document.querySelector('gearway-viewer')!.reason.endsWith('answers with status 502'),
    );
    await setUp.restart();
    // Sessions end with the gateway.
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
    await opened.page.waitForFunction(() => !document.body.innerText.includes('status 502'));
  });
});

describe('nginx that sends its own Host, as plain proxy_pass does', () => {
  it.each([
    ['at the root', without(nginxRoot, HOST_LINE), '/'],
    ['under a path', without(nginxPath, HOST_LINE), '/cams/'],
  ])('works with --public-url only, %s', async (_name, recipe, path) => {
    await using setUp = await SetUp.start('nginx', recipe, path, ['--public-url', 'PUBLIC']);
    await using opened = await open(`${setUp.url}?stream=main`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
    expect(opened.problems).toEqual([]);
  });

  it.each([
    ['console', '?stream=main'],
    ['viewer', 'viewer?stream=main'],
    ['publisher', 'publish?stream=cam&start'],
  ])('loads the page without it, and the %s reports the missing option', async (name, page) => {
    await using setUp = await SetUp.start('nginx', without(nginxPath, HOST_LINE), '/cams/', []);
    await using opened = await open(setUp.url + page);
    if (name !== 'viewer') {
      // The log-in is refused.
      await giveToken(opened.page);
      await showsText(opened.page, `--public-url ${new URL(setUp.url).origin}/`);
    } else {
      await gives(opened.page, 'gearway-viewer', `--public-url ${setUp.url}`);
    }
    const lines = setUp.logged('refused');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every((line) => line.includes(`--public-url ${new URL(setUp.url).origin}/`))).toBe(true);
    expect(new Set(lines).size).toBe(lines.length);
    expect(opened.problems).toEqual([]);
  });
});

describe.each<[string, ProxyName, string]>([
  ['nginx that forwards Host', 'nginx', nginxRoot],
  ['Caddy, which always forwards it', 'caddy', caddyRoot],
])('%s', (_name, proxyName, recipe) => {
  it('without --public-url shows a page with the options', async () => {
    await using setUp = await SetUp.start(proxyName, recipe, '/', []);
    await using opened = await open(`${setUp.url}?stream=main`);
    expect(await opened.page.title()).toBe('Unknown host name · Gearway');
    await showsText(opened.page, `--public-url ${setUp.url}`);
    await showsText(opened.page, `--allow-host ${NAME}`);
    expect(setUp.logged('refused')).toHaveLength(1);
    const json = await setUp.get('healthz');
    expect(json.statusCode).toBe(421);
    json.resume();
  });

  it('works with --allow-host as well', async () => {
    await using setUp = await SetUp.start(proxyName, recipe, '/', ['--allow-host', NAME]);
    await using opened = await open(`${setUp.url}viewer`);
    await giveToken(opened.page);
    await becomes(opened.page, 'gearway-viewer', 'live');
  });
});

describe('nginx without the lines for WebSockets', () => {
  it.each([
    ['console', '?stream=main', 'gearway-viewer'],
    ['viewer', 'viewer?stream=main', 'gearway-viewer'],
    ['publisher', 'publish?stream=cam&start', 'gearway-publisher'],
  ])('is reported by the %s and in the log', async (name, page, tag) => {
    await using setUp = await SetUp.start('nginx', without(nginxRoot, WEB_SOCKET_LINES), '/', [
      '--public-url',
      'PUBLIC',
    ]);
    await using opened = await open(setUp.url + page);
    if (name !== 'viewer') await giveToken(opened.page);
    await gives(opened.page, tag, 'does not forward WebSockets');
    expect(setUp.logged('refused')).toEqual([expect.stringContaining('Upgrade')]);
  });
});

describe('addresses', () => {
  const addressThrough = async (recipe: string, options: readonly string[]): Promise<string | undefined> => {
    await using setUp = await SetUp.start('nginx', recipe, '/', ['--public-url', 'PUBLIC', ...options]);
    const mjpeg = await setUp.get('streams/main/mjpeg');
    await once(mjpeg, 'data');
    const client = (await setUp.status()).clients.find(({ id }) => id.startsWith('mjpeg'));
    mjpeg.destroy();
    return /^img \((.*)\)$/.exec(client?.address ?? '')?.[1];
  };

  it.each<[string, string, readonly string[], string]>([
    ["are the proxy's without --trust-proxy", nginxRoot, [], '127.0.0.1'],
    ["are the proxy's where another one is trusted", nginxRoot, ['--trust-proxy', '10.0.0.0/8'], '127.0.0.1'],
    [
      "are the proxy's where it does not report them",
      without(nginxRoot, ADDRESS_LINES),
      ['--trust-proxy', 'loopback'],
      '127.0.0.1',
    ],
    ["are the clients' with both", nginxRoot, ['--trust-proxy', '127.0.0.1'], '127.0.0.9'],
  ])('%s', async (_name, recipe, options, expected) => {
    expect(await addressThrough(recipe, options)).toBe(expected);
  });
});

describe('a proxy that does not remove its path', () => {
  it('gets a page with the requested URL', async () => {
    await using setUp = await SetUp.start('nginx', nginxPath.replace('127.0.0.1:8080/;', '127.0.0.1:8080;'), '/cams/', [
      '--public-url',
      'PUBLIC',
    ]);
    await using opened = await open(`${setUp.url}?stream=main`);
    await showsText(opened.page, 'No resource at /cams/');
  });
});

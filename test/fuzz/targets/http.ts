import fc from 'fast-check';
import { mutate, mutations } from '../mutations.ts';
import type { Random } from '../random.ts';
import type { Script, Step } from '../script.ts';
import { anyAddress, ending, httpStatuses, sendSteps, serverErrors, type Target } from '../target.ts';
import { hostileText, wellFormed } from '../values.ts';
import type { Route, World } from '../world.ts';

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
  'G\u0000T',
  'X'.repeat(300),
] as const;

type Credential = 'none' | 'wrong' | 'view' | 'publish' | 'port' | 'administer';
type Right = 'view' | 'administer' | 'publish';

const RIGHTS: Readonly<Record<Credential, readonly Right[]>> = {
  none: [],
  wrong: [],
  view: ['view'],
  publish: ['publish'],
  port: ['view'],
  administer: ['view', 'administer', 'publish'],
};

/**
 * HTTP over raw sockets: every route with every method, unusual spellings of URLs, headers, bodies, aborts, pipelines.
 * Checks that rights apply to every spelling of a URL.
 */
export const httpTarget: Target = {
  name: 'http',
  summary: 'HTTP: routes × methods × spellings × headers × bodies × aborts × pipelines',
  concurrency: 12,
  perSecond: 120,
  create: (random, world) => {
    if (random.chance(1 / 60)) return random.times(40, () => halfRequest(random, world));
    return [
      random.weighted<() => Script>([
        [5, () => honest(random, world)],
        [3, () => pipeline(random, world)],
        [2, () => broken(random, world)],
        [1, () => halfRequest(random, world)],
        [1, () => badUrlUpgrade(random, world)],
      ])(),
    ];
  },
  answers: (outcome) => {
    const statuses = httpStatuses(outcome);
    return statuses.length === 0 ? [outcome.end] : [...new Set(statuses.map(String))];
  },
  judge: (script, outcome) => {
    const error = serverErrors(outcome);
    if (error !== null) return error;
    // `forbidden` is set if every request of the connection must be refused. 204 is the response to OPTIONS, which
    // changes nothing.
    const forbidden = script.notes?.['forbidden'];
    const [status] = httpStatuses(outcome);
    if (forbidden !== undefined && status !== undefined && status >= 200 && status < 300 && status !== 204)
      return `answered ${status} although ${forbidden}: ${outcome.received.toString('latin1').slice(0, 200)}`;
    return null;
  },
};

/** The right that a route requires; null if none is required, or if the response shows it in another way. */
function neededRight({ method, path }: Route): Right | null {
  if (['/api/', '/api/openapi.json', '/api/session'].includes(path)) return null;
  if (/\/(?:settings|audit|shares)\b/.test(path)) return 'administer';
  if (path.startsWith('/api/')) return method === 'GET' || method === 'HEAD' ? 'view' : 'administer';
  if (/^\/streams\/:name\/(?:mjpeg|snapshot)/.test(path)) return 'view';
  return path === '/streams/:name/frames' ? 'publish' : null;
}

/**
 * One request for an existing route, with one credential: it must be refused in every spelling of its URL.
 */
function honest(random: Random, world: World): Script {
  const credential = random.pick<Credential>(['none', 'wrong', 'view', 'publish', 'port', 'administer']);
  const route = random.pick(world.routes);
  const { bytes, steps, method } = request(random, world, route, credential);
  // Judged by the method that was sent, because another method of the same path is another route.
  const right = neededRight({ ...route, method });
  const mayNot = right !== null && !RIGHTS[credential].includes(right);
  const { last, lingerMs } = ending(random);
  return {
    what: `${method} ${route.path} with ${credential} token`,
    port: world.httpPort,
    from: addressFor(random, credential),
    steps: [...sendSteps(random, bytes), ...steps, { kind: 'read', ms: 300 }, ...last],
    lingerMs,
    ...(mayNot ? { notes: { forbidden: `${credential} token has no right to ${right}` } } : {}),
  };
}

/** Failed log-ins delay further responses to their address. */
function addressFor(random: Random, credential: Credential): string {
  return anyAddress(random, credential === 'none' || credential === 'wrong' ? 2 : 1);
}

function pipeline(random: Random, world: World): Script {
  const same = random.chance(0.4)
    ? random.pick([
        '/gearway-viewer.js',
        '/gearway-worker.js.map',
        '/',
        '/viewer',
        '/streams/main/snapshot.png',
        '/api/events',
        '/streams/main/mjpeg',
      ])
    : null;
  const count = random.weighted([
    [6, random.between(2, 12)],
    [1, 60],
  ]);
  const requests = random.times(count, () =>
    same === null
      ? request(random, world, random.pick(world.routes), 'administer').bytes
      : head('GET', same, world, [bearer(world.tokens.view)]),
  );
  const { last, lingerMs } = ending(random);
  if (random.chance(0.15))
    requests.push(
      Buffer.from(
        `GET /streams/main/ws HTTP/1.1\r\nHost: 127.0.0.1:${world.httpPort}\r\nConnection: Upgrade\r\nUpgrade: ${random.pick(['websocket', 'x'])}\r\n\r\n`,
      ),
    );
  return {
    what: `${count} pipelined requests${same === null ? '' : ` for ${same}`}`,
    port: world.httpPort,
    from: anyAddress(random),
    steps: [
      ...sendSteps(random, Buffer.concat(requests)),
      ...(random.chance(0.5) ? [{ kind: 'read', ms: 100 } as const] : []),
      ...last,
    ],
    lingerMs,
  };
}

function broken(random: Random, world: World): Script {
  const { bytes } = request(
    random,
    world,
    random.pick(world.routes),
    random.pick(['administer', 'view', 'none'] as const),
  );
  const { last, lingerMs } = ending(random);
  // A mutated target may contain another client or address, which is harmless without the right to administer.
  const safe = Buffer.from(bytes.toString('latin1').replaceAll(world.tokens.administer, world.tokens.view), 'latin1');
  return {
    what: 'request with changed bytes',
    port: world.httpPort,
    from: anyAddress(random, 2),
    steps: [...sendSteps(random, mutate(safe, random.sample(mutations))), { kind: 'read', ms: 100 }, ...last],
    lingerMs,
  };
}

function halfRequest(random: Random, world: World): Script {
  const { bytes } = request(random, world, random.pick(world.routes), 'view');
  const { last, lingerMs } = ending(random);
  return {
    what: 'request cut off',
    port: world.httpPort,
    from: anyAddress(random),
    steps: [{ kind: 'send', bytes: bytes.subarray(0, random.below(bytes.length)) }, ...last],
    lingerMs,
  };
}

/** Upgrades of unknown or undecodable URLs, ended like curl: read the response, then close. */
function badUrlUpgrade(random: Random, world: World): Script {
  const url = random.pick(['/%', '/%ff/%fe', '/streams/%/ws', '/', '/nothing', '/streams/main/ws%', '/healthz', '*']);
  const bytes = Buffer.from(
    `GET ${url} HTTP/1.1\r\nHost: 127.0.0.1:${world.httpPort}\r\nConnection: Upgrade\r\nUpgrade: ${random.pick(['x', 'websocket', 'h2c', 'TLS/1.0'])}\r\n\r\n`,
  );
  return {
    what: `upgrade at ${url}`,
    port: world.httpPort,
    from: anyAddress(random),
    steps: [{ kind: 'send', bytes }, { kind: 'read', ms: 300 }, { kind: 'end' }],
    lingerMs: random.between(50, 300),
  };
}

function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}

function head(method: string, url: string, world: World, headers: readonly string[]): Buffer {
  return Buffer.from(
    `${method} ${url} HTTP/1.1\r\nHost: 127.0.0.1:${world.httpPort}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`,
    'latin1',
  );
}

/** One request. `steps` follow it, such as a late body. */
function request(
  random: Random,
  world: World,
  route: Route,
  credential: Credential,
): { readonly bytes: Buffer; readonly steps: readonly Step[]; readonly method: string } {
  const method = random.chance(0.9) ? route.method : random.pick(METHODS);
  const url = spell(random, fillIn(random, route.path, world, credential), world) + query(random);
  const headers = authorization(random, credential, world);
  const mayHaveBody = !['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method) || random.chance(0.05);
  headers.push(...oddHeaders(random));
  if (!mayHaveBody) return { bytes: head(method, url, world, headers), steps: [], method };
  const { type, body } = anyBody(random, world);
  if (type !== null) headers.push(`Content-Type: ${type}`);
  const message = random.weighted<() => { bytes: Buffer; steps: readonly Step[] }>([
    [
      8,
      () => ({
        bytes: Buffer.concat([head(method, url, world, [...headers, `Content-Length: ${body.length}`]), body]),
        steps: [],
      }),
    ],
    [
      1,
      () => ({
        bytes: Buffer.concat([
          head(method, url, world, [
            ...headers,
            `Content-Length: ${random.pick([body.length + 1, body.length + 100_000, 0, 2 ** 31, 2 ** 53, '0x10', '-1', '1, 1', '+5'])}`,
          ]),
          body,
        ]),
        steps: [],
      }),
    ],
    [
      2,
      () => ({
        bytes: Buffer.concat([
          head(method, url, world, [...headers, 'Transfer-Encoding: chunked']),
          chunked(random, body),
        ]),
        steps: [],
      }),
    ],
    [
      1,
      () => ({
        bytes: head(method, url, world, [...headers, `Content-Length: ${body.length}`, 'Expect: 100-continue']),
        steps: [
          { kind: 'read', ms: 50 },
          { kind: 'send', bytes: body },
        ],
      }),
    ],
  ])();
  return { ...message, method };
}

function authorization(random: Random, credential: Credential, { tokens }: World): string[] {
  if (credential === 'none')
    return random.chance(0.8)
      ? []
      : [
          random.pick([
            'Authorization:',
            'Authorization: Bearer',
            'Authorization: Basic',
            'Authorization: Digest a=b',
            'Authorization: Basic Og==',
          ]),
        ];
  const token =
    credential === 'wrong'
      ? random.pick([
          'wrong',
          tokens.administer.slice(0, -1),
          `${tokens.administer}x`,
          tokens.administer.toUpperCase(),
          'x'.repeat(5000),
        ])
      : tokens[credential];
  return [
    random.chance(0.85) ? bearer(token) : `Authorization: Basic ${Buffer.from(`user:${token}`).toString('base64')}`,
  ];
}

const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('main', 'side', 'cam', 'real') },
  { weight: 1, arbitrary: hostileText.map((text) => encodeURIComponent(wellFormed(text)).slice(0, 300)) },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', '%00', '%2e%2e', '__proto__', 'main%2f..', '%u0041', '%ff') },
);

/** Streams that only administrators of this target create and remove. */
const ownName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('fuzzed', 'fuzzed-2', 'fuzzed_3') },
  { weight: 1, arbitrary: hostileText.map((text) => encodeURIComponent(wellFormed(text)).slice(0, 300)) },
);

/** Fills in a route's parameters. Requests that may remove clients and streams never contain those of the harness. */
function fillIn(random: Random, path: string, world: World, credential: Credential): string {
  return path.replaceAll(/:(\w+)|\*/g, (_match, parameter: string | undefined) => {
    if (parameter === 'name')
      return random.sample(credential === 'administer' && path === '/api/streams/:name' ? ownName : name);
    if (parameter === 'id') {
      const id = random.weighted<() => string>([
        [4, () => `web-${random.between(1, 400)}`],
        [2, () => `native-${random.pick(world.fakes).port}`],
        [1, () => encodeURIComponent(wellFormed(random.sample(hostileText))).slice(0, 300)],
      ])();
      return credential === 'administer' && world.innocents.includes(id) ? 'nobody' : id;
    }
    return random.pick([
      'index.html',
      'gearway-viewer.js',
      'gearway-worker.js.map',
      '../package.json',
      '..%2f..%2fpackage.json',
      '%2e%2e/%2e%2e/etc/passwd',
      'assets/',
      '.',
      '\\..\\..',
      'x'.repeat(300),
    ]);
  });
}

/** Writes a path in an equivalent or almost equivalent spelling. */
function spell(random: Random, path: string, { httpPort }: World): string {
  return random.weighted<() => string>([
    [6, () => path],
    [2, () => percentEncode(path, random)],
    [1, () => `http://127.0.0.1:${httpPort}${path}`],
    [1, () => `HTTP://user:pass@127.0.0.1:${httpPort}${path}`],
    [1, () => path.replace('/', '//')],
    [1, () => `/.${path}`],
    [1, () => `/x/..${path}`],
    [1, () => `${path}/`],
    [1, () => path.toUpperCase()],
    [1, () => `${path}%00`],
    [1, () => `${path};a=b`],
    [1, () => path.replaceAll('/', '\\')],
    [0.5, () => `${path}#fragment`],
    [0.5, () => `ws://127.0.0.1:${httpPort}${path}`],
    [0.5, () => path.slice(1)],
  ])();
}

function percentEncode(path: string, random: Random): string {
  return path.replaceAll(/[a-z]/g, (letter) =>
    random.chance(0.15) ? `%${letter.charCodeAt(0).toString(16)}` : letter,
  );
}

function query(random: Random): string {
  if (random.chance(0.6)) return '';
  const value = encodeURIComponent(wellFormed(random.sample(hostileText))).slice(0, 500);
  return random.pick([
    '?',
    `?width=${random.pick(['1', '64', '16384', '16385', '0', '-1', '1e3', 'NaN', value])}`,
    `?fps=${random.pick(['0.1', '120', '121', '0', '1e-9', value])}`,
    `?width=8&width=9`,
    `?reason=${value}`,
    `?publisher=${value}&takeOver=true`,
    `?takeOver=${value}`,
    '?__proto__=1&constructor=2',
    `?${'a=1&'.repeat(300)}`,
    '?%',
    '?token=x',
  ]);
}

function oddHeaders(random: Random): string[] {
  if (random.chance(0.6)) return [];
  const text = Buffer.from(wellFormed(random.sample(hostileText)).replaceAll(/[\r\n\0]/g, ' '))
    .toString('latin1')
    .slice(0, 2000);
  return [
    random.pick([
      `Origin: ${random.pick(['null', 'http://evil.example', 'file://', 'http://127.0.0.1', text])}`,
      `Host: ${random.pick(['evil.example', 'localhost', '[::1]', '127.0.0.1:99999', '', text])}`,
      `X-Forwarded-For: ${random.pick(['203.0.113.7', '127.0.0.1', '::1', 'unknown', text, '1.2.3.4, '.repeat(300)])}`,
      `Forwarded: for=127.0.0.1;host=localhost;proto=https`,
      'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors',
      `Last-Event-ID: ${random.pick(['0', '-1', '1e9', 'NaN', text])}`,
      `Gearway-Message: ${random.pick(['{"n": 1}', '[[[[', 'NaN', text])}`,
      `Gearway-Captured-At: ${random.pick(['0', '1e999', '2026-01-01T00:00:00Z', text])}`,
      `If-None-Match: ${random.pick(['*', '"x"', text])}`,
      `Range: ${random.pick(['bytes=0-0', 'bytes=-1', 'bytes=5-1', 'bytes=0-0,1-1,2-2', text])}`,
      `Accept-Encoding: ${random.pick(['gzip', 'br', 'identity;q=0', text])}`,
      `Connection: ${random.pick(['close', 'keep-alive', 'Upgrade', text])}`,
      'Upgrade: websocket',
      `X: ${'y'.repeat(random.pick([1, 16_000, 17_000]))}`,
      random.times(random.pick([100, 2001]), (n) => `A${n}: b`).join('\r\n'),
    ]),
  ];
}

function chunked(random: Random, body: Buffer): Buffer {
  const size = random.pick([1, 7, 1000]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length && chunks.length < 400; at += size) {
    const chunk = body.subarray(at, at + size);
    chunks.push(
      Buffer.from(`${chunk.length.toString(16)}${random.chance(0.05) ? ';x=y' : ''}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    );
  }
  return Buffer.concat([
    ...chunks,
    random.chance(0.9)
      ? Buffer.from('0\r\n\r\n')
      : Buffer.from(random.pick(['0', '-1\r\n', 'ffffffffffffffff\r\n', 'g\r\n', ''])),
  ]);
}

/** A body for any route. Addresses of native clients stay on this machine, on ports without a listener. */
function anyBody(random: Random, world: World): { readonly type: string | null; readonly body: Buffer } {
  const address = random.pick([
    () => `tcp://127.0.0.1:1?pattern=${random.pick(['0', '1', '2', '3', '-1', ''])}&id=${random.between(7000, 7020)}`,
    () => `tcp://127.0.0.1:${random.pick([0, 65_536, 99_999, -1])}`,
    () => `tcp://127.0.0.1:1?fps=${random.pick(['0', '1', '1e9', 'NaN'])}&id=7021`,
    () => `tcp://127.0.0.1:1?secure=${random.pick(['1', '3', 'x'])}&keys=/tmp&id=7022`,
    () => `ipc://${'x'.repeat(random.pick([0, 100, 2000]))}:1`,
    () => ` ${world.fakes[0]?.port ?? 1}`,
    () => '?'.repeat(1025),
  ])();
  const value = random.weighted<unknown>([
    [6, { address }],
    [
      2,
      {
        source: random.pick(['push:', 'test-pattern:?size=32x32&fps=1', 'image:/none', 'ftp:', `${'x'.repeat(9000)}:`]),
      },
    ],
    [1, { source: 'push:', clients: [address], virtualPorts: random.pick([7000, '7000-7003', '1-1', 'x', null]) }],
    [1, { source: [[['push:']]], start: 1.5, idle: '${HOME}', [random.sample(hostileText)]: 'x' }],
    [1, { address: [address] }],
    [1, { address: null }],
    [1, {}],
    [1, []],
    [1, null],
    [1, 'text'],
    [1, { __proto__: 1, address: 7 }],
  ]);
  const json = Buffer.from(
    random.chance(0.9)
      ? JSON.stringify(value)
      : random.pick(['{', '{"address"', '['.repeat(50_000), '{"__proto__":{"a":1}}', '\u0000', '"\ud800"']),
  );
  return random.weighted([
    [6, { type: 'application/json', body: json }],
    [
      1,
      {
        type: random.pick([
          'text/plain',
          'application/JSON; charset=x',
          'multipart/form-data',
          'multipart/form-data; boundary=',
          'x'.repeat(500),
          '',
        ]),
        body: json,
      },
    ],
    [1, { type: null, body: json }],
    [1, { type: 'application/json', body: Buffer.alloc(random.pick([0, 1 << 20, (1 << 20) + 1]), 0x20) }],
  ]);
}

import { cp, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Received {
  readonly client: string;
}

const PATTERNS = [0, 1, 2] as const;

/** Pictures that differ from placeholders and opening frames. */
const SOURCE = 'test-pattern:?size=400x120&fps=20';
const HEIGHT = 120;

let root: string;

/** NetGear's `custom_cert_location`. */
const folder = (name: string): string => join(root, name);
const file = (name: string, path: string): string => join(folder(name), '.vidgear', 'keys', path);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gearway-secure-'));
  await using made = new PythonPeer('make_keys.py', { folders: [folder('ours'), folder('others')] });
  await made.waitFor('done');
  // Our keys, except the key of the side that binds.
  await cp(folder('ours'), folder('wrong server key'), { recursive: true });
  await cp(file('others', 'public_keys/server.key'), file('wrong server key', 'public_keys/server.key'));
  // An unlisted key, and the correct key of the side that binds.
  await cp(folder('others'), folder('unknown key'), { recursive: true });
  await cp(file('ours', 'public_keys/server.key'), file('unknown key', 'public_keys/server.key'));
  for (const half of ['public_keys', 'private_keys']) {
    await mkdir(folder(`only ${half}`));
    await cp(file('ours', half), file(`only ${half}`, half), { recursive: true });
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

function secureOptions(secure: number, keys: string): string {
  return secure === 0 ? '' : `&secure=${secure}&keys=${folder(keys)}`;
}

describe('a real client in secure mode', () => {
  const REFUSED = [
    {
      name: 'StoneHouse, another server key',
      client: [1, 'ours'],
      address: [1, 'wrong server key'],
      reason: /does not accept our keys: our public_keys\/server\.key does not match/,
    },
    {
      name: 'IronHouse, another server key',
      client: [2, 'ours'],
      address: [2, 'wrong server key'],
      reason: /does not accept our keys: our public_keys\/server\.key does not match/,
    },
    {
      name: 'IronHouse, an unlisted key',
      client: [2, 'ours'],
      address: [2, 'unknown key'],
      reason: /refuses this gateway: .*only if our public_keys\/client\.key was among its keys/,
    },
    {
      name: 'plain, its address secure',
      client: [0, 'ours'],
      address: [1, 'ours'],
      reason: /is not in secure mode, or it restarted unencrypted/,
    },
    {
      name: 'StoneHouse, its address plain',
      client: [1, 'ours'],
      address: [0, 'ours'],
      reason: /is in secure mode; add secure=1 or secure=2/,
    },
    {
      name: 'IronHouse, its address plain',
      client: [2, 'ours'],
      address: [0, 'ours'],
      reason: /is in secure mode; add secure=1 or secure=2/,
    },
  ] as const;
  const LET_IN = [
    { name: 'StoneHouse, our key', client: [1, 'ours'], address: [1, 'ours'] },
    { name: 'StoneHouse, an unlisted key', client: [1, 'ours'], address: [1, 'unknown key'] },
    { name: 'IronHouse, our key', client: [2, 'ours'], address: [2, 'ours'] },
    { name: 'IronHouse, its address StoneHouse', client: [2, 'ours'], address: [1, 'ours'] },
  ] as const;

  it('gets frames with the correct keys, and none with wrong keys, which the API explains', async () => {
    // Pattern 2 in secure mode gets nothing at all: see matrix.test.ts.
    const peers = [
      ...REFUSED.flatMap((each) => PATTERNS.map((pattern) => ({ ...each, pattern }))),
      ...LET_IN.flatMap((each) => ([0, 1] as const).map((pattern) => ({ ...each, pattern, reason: /^$/ }))),
    ];
    const ports = await freePorts(peers.length);
    const clients = peers.map((each, index) => ({
      ...each,
      name: `${each.name}, pattern ${each.pattern}`,
      port: ports[index]!,
    }));
    await using gateway = await LocalGateway.start(
      '--source',
      SOURCE,
      ...clients.flatMap(({ port, pattern, address: [secure, keys] }) => [
        '--client',
        `tcp://127.0.0.1:${port}?pattern=${pattern}${secureOptions(secure, keys)}`,
      ]),
    );
    await using python = new PythonPeer('many_clients.py', {
      clients: clients.map(({ name, port, pattern, client: [secure, keys] }) => ({
        name,
        port,
        pattern,
        secure,
        keys: folder(keys),
      })),
    });
    await python.waitFor('ready');
    const byPort = clients.toSorted((a, b) => a.port - b.port);
    const letIn = (name: string): boolean => LET_IN.some((each) => name.startsWith(each.name));
    const status = await gateway.statusWhere('every client either live or refused', (all) =>
      all.clients.every(({ state }, index) => state === (letIn(byPort[index]!.name) ? 'live' : 'refused')),
    );
    for (const [index, { reason }] of status.clients.entries())
      expect([byPort[index]!.name, reason]).toEqual([
        byPort[index]!.name,
        expect.stringMatching(byPort[index]!.reason),
      ]);
    // Long enough for several further attempts, which are made every second.
    const seen = python.events<Received>('frame').length;
    const wanted = seen + LET_IN.length * 2 * 20 * 3;
    await python.waitFor<Received>('frame', () => python.events('frame').length > wanted);
    const named = new Set(python.events<Received>('frame').map(({ client }) => client));
    expect([...named].toSorted()).toEqual(
      clients
        .map(({ name }) => name)
        .filter(letIn)
        .toSorted(),
    );
    for (const [index, { delivered, state }] of (await gateway.status()).clients.entries())
      if (!letIn(byPort[index]!.name))
        expect([byPort[index]!.name, delivered, state]).toEqual([byPort[index]!.name, 0, 'refused']);
  });

  it('that restarts without encryption, as after 12 s of silence, gets no frames until it is secure again', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      SOURCE,
      '--client',
      `tcp://127.0.0.1:${port}?pattern=1${secureOptions(1, 'ours')}`,
    );
    const client = (secure: number): PythonPeer =>
      new PythonPeer('many_clients.py', { clients: [{ name: 'it', port, pattern: 1, secure, keys: folder('ours') }] });
    const secure = client(1);
    await secure.waitFor('frame');
    await secure[Symbol.asyncDispose]();
    const plain = client(0);
    const status = await gateway.statusWhere('a refused client', ({ clients }) => clients[0]?.state === 'refused');
    expect(status.clients[0]!.reason).toMatch(
      /is not in secure mode, or it restarted unencrypted after 12 s without data/,
    );
    expect(plain.events('frame')).toEqual([]);
    await plain[Symbol.asyncDispose]();
    await using again = client(1);
    await again.waitFor('frame');
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
  });

  it.each([
    { name: 'over ipc, where peers have no IP address', protocol: 'ipc', at: () => join(root, 'feed') },
    { name: 'that binds to an address other than ours', protocol: 'tcp', at: () => '127.0.0.2' },
  ])('refuses the gateway $name, and the reason is reported', async ({ protocol, at }) => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      SOURCE,
      '--client',
      `${protocol}://${at()}:${port}?pattern=1${secureOptions(1, 'ours')}`,
    );
    await using client = new PythonPeer('many_clients.py', {
      clients: [{ name: 'it', port, protocol, address: at(), pattern: 1, secure: 1, keys: folder('ours') }],
    });
    await client.waitFor('ready');
    const { clients } = await gateway.statusWhere(
      'a refused client',
      (status) => status.clients[0]?.state === 'refused',
    );
    expect(clients[0]!.reason).toMatch(
      /refuses this gateway: in secure mode it accepts only the IP address in its own options/,
    );
    expect(client.events('frame')).toEqual([]);
  });
});

describe('a real server in secure mode', () => {
  // If only one side uses secure mode, each disconnects the other. If the server disconnects first, the reason is
  // unknown.
  const PLAIN =
    /^listening; (?:a server was refused: it does not use secure mode|a connection was closed during the handshake: a server without secure mode, or a port scan)$/;
  const SECURE =
    /^listening; (?:a server was refused: it uses secure mode; add secure=1 or secure=2 to the address|a connection was closed during the handshake: a server in secure mode, or a port scan)$/;

  const REFUSED = [
    {
      name: 'StoneHouse, another server key',
      server: [1, 'wrong server key'],
      source: [1, 'ours'],
      reason: /^listening; a server was refused: its public_keys\/server\.key does not match our/,
    },
    {
      name: 'IronHouse, another server key',
      server: [2, 'wrong server key'],
      source: [2, 'ours'],
      reason: /^listening; a server was refused: its public_keys\/server\.key does not match our/,
    },
    {
      name: 'IronHouse, a key that the gateway does not list',
      server: [2, 'unknown key'],
      source: [2, 'ours'],
      reason: /^listening; 127\.0\.0\.1 was refused: its key \S{40} is not in \S.*public_keys$/,
    },
    {
      name: 'StoneHouse, an address that we do not allow',
      server: [1, 'ours'],
      source: [1, 'ours'],
      allow: '&allow=10.0.0.1',
      reason: /^listening; 127\.0\.0\.1 was refused: the option allow lists only 10\.0\.0\.1$/,
    },
    { name: 'plain, our address secure', server: [0, 'ours'], source: [1, 'ours'], reason: PLAIN },
    { name: 'StoneHouse, our address plain', server: [1, 'ours'], source: [0, 'ours'], reason: SECURE },
  ] as const;
  const FRAMES = 20;

  it.each(PATTERNS)(
    'is refused with the wrong keys, which the API explains; none of its frames is accepted, but those of the right server are, pattern %s',
    async (pattern) => {
      const ports = await freePorts(REFUSED.length);
      const cases = await Promise.all(
        REFUSED.map(async (each, index) => ({
          ...each,
          port: ports[index]!,
          gateway: await LocalGateway.start(
            '--source',
            `netgear:tcp://127.0.0.1:${ports[index]}?pattern=${pattern}${secureOptions(each.source[0], each.source[1])}${'allow' in each ? each.allow : ''}`,
          ),
        })),
      );
      await using _ = {
        [Symbol.asyncDispose]: () =>
          Promise.all(cases.map(({ gateway }) => gateway[Symbol.asyncDispose]())).then(() => undefined),
      };
      const servers = (of: readonly (typeof cases)[number][], right: boolean): PythonPeer =>
        new PythonPeer('many_servers.py', {
          frames: right ? FRAMES : 1000,
          sequences: of.map(({ name, port, server, source }) => {
            const [secure, keys] = right ? source : server;
            return [{ name, port, pattern, first: 0, secure, keys: folder(keys) }];
          }),
        });

      const wrong = servers(cases, false);
      const states = await Promise.all(
        cases.map(async ({ name, gateway, reason }) => [
          name,
          (await gateway.statusWhere(`${name} refused`, ({ source }) => reason.test(source.state))).source.state,
        ]),
      );
      expect(states).toHaveLength(cases.length);
      const secure = cases.filter(({ source }) => source[0] !== 0);
      // A real server without an answer for 4 s reconnects without encryption. Only a server with a wrong server key
      // always does: for the others, ZeroMQ gives up, and if that happens before their first send(), this waits
      // forever.
      if (pattern !== 2)
        await Promise.all(
          secure
            .filter(({ server }) => server[1] === 'wrong server key')
            .map(({ name, gateway }) =>
              gateway.statusWhere(`${name} tried without encryption`, ({ source }) => PLAIN.test(source.state)),
            ),
        );
      for (const { name, gateway } of secure) {
        const { state, counters, frame } = await gateway.status();
        expect({ name, state, frame, received: counters.received, rejected: counters.rejected }).toEqual({
          name,
          state: 'waiting',
          frame: null,
          received: 0,
          rejected: 0,
        });
      }
      await wrong[Symbol.asyncDispose]();

      const mendable = secure.filter((each) => !('allow' in each));
      await using right = servers(mendable, true);
      await right.waitFor('end');
      for (const { name, gateway } of mendable) {
        const { counters } = await gateway.statusWhere(
          `${name}: the end of the right server`,
          ({ state }) => state === 'ended',
        );
        if (pattern === 2) expect(counters.received).toBeGreaterThan(FRAMES / 2);
        else expect({ name, received: counters.received }).toEqual({ name, received: FRAMES });
      }
    },
  );
});

describe('the keys', () => {
  async function modes(keys: string): Promise<Record<string, string>> {
    const names = [
      'private_keys',
      'public_keys',
      'private_keys/client.key_secret',
      'private_keys/server.key_secret',
      'public_keys/client.key',
      'public_keys/server.key',
    ];
    return Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, ((await stat(join(keys, name))).mode & 0o777).toString(8)] as const),
      ),
    );
  }
  const OWNERS_ALONE = {
    private_keys: '700',
    public_keys: '700',
    'private_keys/client.key_secret': '600',
    'private_keys/server.key_secret': '600',
    'public_keys/client.key': '600',
    'public_keys/server.key': '600',
  };

  it.each([1, 2])(
    'are created if missing, readable by their owner only, and work with a real client and a real server, secure %s',
    async (secure) => {
      const [source, port] = (await freePorts(2)) as [number, number];
      const keys = `made ${secure}`;
      await mkdir(folder(keys));
      await using gateway = await LocalGateway.start(
        '--source',
        `netgear:tcp://127.0.0.1:${source}?pattern=1${secureOptions(secure, keys)}`,
        '--client',
        `tcp://127.0.0.1:${port}?pattern=1${secureOptions(secure, keys)}`,
      );
      expect(await modes(file(keys, ''))).toEqual(OWNERS_ALONE);
      await using client = new PythonPeer('many_clients.py', {
        height: HEIGHT,
        clients: [{ name: 'it', port, pattern: 1, secure, keys: folder(keys) }],
      });
      await client.waitFor('ready');
      await using server = new PythonPeer('many_servers.py', {
        height: HEIGHT,
        frames: 100,
        sequences: [[{ name: 'it', port: source, pattern: 1, first: 0, secure, keys: folder(keys) }]],
      });
      await client.waitFor('frame');
      expect((await gateway.status()).source.state).toBe('connected');
      expect(server.isRunning).toBe(true);
      // NetGear removes incomplete pairs, and creates missing keys: it has found nothing to do.
      expect(await modes(file(keys, ''))).toEqual(OWNERS_ALONE);
    },
  );

  it("are in NetGear's default folder if none is given", async () => {
    const home = folder('home');
    await mkdir(home);
    vi.stubEnv('HOME', home);
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await GatewayProcess.start(
      '--source',
      SOURCE,
      '--client',
      `tcp://127.0.0.1:${port}?pattern=1&secure=2`,
    );
    await using client = new PythonPeer('many_clients.py', {
      height: HEIGHT,
      clients: [{ name: 'it', port, pattern: 1, secure: 2 }],
    });
    vi.unstubAllEnvs();
    await client.waitFor('frame');
    expect(await modes(join(home, '.vidgear', 'keys'))).toEqual(OWNERS_ALONE);
    expect((await gateway.status()).clients[0]?.state).toBe('live');
  });

  it.each([
    { option: '--client', keys: 'only public_keys', missing: 'private_keys/client.key_secret' },
    { option: '--client', keys: 'only private_keys', missing: 'public_keys/server.key' },
    { option: '--source', keys: 'only public_keys', missing: 'private_keys/server.key_secret' },
  ])(
    'that are missing in part of a folder end the command with a message, and are not created, $option with $keys',
    async ({ option, keys, missing }) => {
      const [port] = (await freePorts(1)) as [number];
      const before = await readdir(folder(keys), { recursive: true });
      await using gateway = new GatewayProcess(
        option,
        `${option === '--source' ? 'netgear:' : ''}tcp://127.0.0.1:${port}?pattern=1${secureOptions(1, keys)}`,
      );
      expect(await gateway.exited).toBe(2);
      const sentence = gateway.stderr.all.at(-1) ?? '';
      expect(sentence).toContain(`gearway: ${file(keys, missing)} cannot be read (ENOENT`);
      expect(sentence).toContain(': copy it from the other side, or empty the folder to have new keys created');
      expect((await readdir(folder(keys), { recursive: true })).toSorted()).toEqual(before.toSorted());
    },
  );

  it('are needed only in part: a source needs only private_keys', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1${secureOptions(1, 'only private_keys')}`,
    );
    await using server = new PythonPeer('many_servers.py', {
      frames: 100,
      sequences: [[{ name: 'it', port: source, pattern: 1, first: 0, secure: 1, keys: folder('ours') }]],
    });
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    expect(server.isRunning).toBe(true);
  });
});

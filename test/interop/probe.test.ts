import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReceiverKeys } from '../../gateway/netgear/curve-keys.ts';
import { runProbe } from '../../gateway/probe/command.ts';
import { Child, stopProgram } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';
import { PythonPeer } from '../helpers/peers.ts';

const ROOT = join(import.meta.dirname, '../..');
const PICTURE = { height: 120, width: 400, frames: 3000 };

/** The exit code and the output of `gearway probe`, which runs in this process. */
async function probe(address: string, seconds = 1): Promise<{ code: number; lines: string[] }> {
  let output = '';
  const code = await runProbe([address, '--seconds', String(seconds)], (text) => void (output += text));
  return { code, lines: output.split('\n').filter((line) => line !== '') };
}

const good = (...lines: unknown[]): unknown => ({
  code: 0,
  lines: [...lines.map((line) => expect.stringMatching(line as RegExp) as unknown), 'No problems found.'],
});
const bad = (...lines: unknown[]): unknown => ({
  code: 1,
  lines: [...lines.map((line) => expect.stringMatching(line as RegExp) as unknown), 'Problems found (✗).'],
});

async function place(): Promise<{ port: number; address: string }> {
  const [port] = (await freePorts(1)) as [number];
  return { port, address: `tcp://127.0.0.1:${port}` };
}

async function client(options: Record<string, unknown>): Promise<PythonPeer> {
  const peer = new PythonPeer('client.py', options);
  await peer.waitFor('ready');
  return peer;
}

describe.concurrent('gearway probe, of a client', () => {
  it.each([
    [
      'pattern 1 in multi-clients mode',
      { pattern: 1, bidirectional: true, returns: 'Hi' },
      /^✓ It answered \d of \d pictures, the fastest in [\d.]+ ms; it is in multi-clients mode as port "\d+" and returns "Hi" \(str\)\.$/,
    ],
    [
      'pattern 1 alone',
      { pattern: 1, multiclient: false },
      /it is neither bidirectional nor in multi-clients mode, and returns nothing\.$/,
    ],
    [
      'pattern 0, bidirectional',
      { pattern: 0, bidirectional: true, raw_returns: true, returns: { $array: 'float32', shape: [2, 3] } },
      /it is in bidirectional mode and returns an array of float32, shape \(2, 3\)\.$/,
    ],
    [
      'pattern 2',
      { pattern: 2 },
      /^✓ It has subscribed, and was sent \d+ pictures\. In pattern 2 there are no replies\.$/,
    ],
  ])('detects one of %s', async (_name, options, answers) => {
    const { port, address } = await place();
    await using peer = await client({ port, ...options });
    expect(await probe(`${address}?pattern=${options.pattern}`)).toEqual(
      good(
        /^✓ A NetGear client is listening at tcp:\/\/127\.0\.0\.1:\d+: it binds, and a server connects to it\.$/,
        new RegExp(`^✓ It has pattern ${options.pattern} \\([a-z-]+\\), as in the address\\.$`),
        answers,
      ),
    );
    // The client received no termination, and still serves the next server.
    expect(await probe(address)).toMatchObject({ code: 0 });
    expect(peer.isRunning).toBe(true);
  });

  it.each([1, 2])(
    'does not crash the receiver of one in multi-servers mode, pattern %i, as a frame without port would',
    async (pattern) => {
      const { port, address } = await place();
      await using peer = new PythonPeer('client.py', { multiserver: true, ports: [port], pattern });
      await peer.waitFor('ready');
      for (const _time of ['first', 'again'])
        expect(await probe(`${address}?pattern=${pattern}`)).toMatchObject({ code: 0 });
      expect(peer.stderr.all.join('\n')).not.toContain('KeyError');
    },
  );

  it('accepts an address as in the command line of the gateway', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port });
    expect(await probe(`${address}?pattern=1&id=7&fps=10`)).toMatchObject({ code: 0 });
    expect(await probe(`netgear:${address}?multiserver=true`)).toMatchObject({ code: 0 });
  });

  it('reports a pattern that differs from that of the address', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port, pattern: 0 });
    expect(await probe(`${address}?pattern=1`)).toEqual(
      bad(
        /^✓ A NetGear client is listening/,
        /^✗ It has pattern 0 \(pair\), but the address specifies pattern 1: both sides need the same\.$/,
        /^✓ It answered/,
      ),
    );
  });

  it('reports a program that does not speak ZeroMQ', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    expect(await probe(`tcp://127.0.0.1:${port}`)).toEqual(
      bad(/^✗ The program at tcp:\S+ does not speak ZeroMQ: another program uses this port/),
    );
    server.close();
  });

  it('reports a suspended client', async () => {
    const { port, address } = await place();
    await using peer = await client({ port });
    await stopProgram(peer);
    expect(await probe(address)).toEqual(
      bad(/^✗ The program at tcp:\S+ accepts connections but does not respond: it is stopped/),
    );
  });

  it('reports a client that accepts frames and answers none, like one whose receiver has crashed', async () => {
    const { port, address } = await place();
    await using peer = new PythonPeer('silent_client.py', { port });
    await peer.waitFor('ready');
    expect(await probe(address, 2)).toEqual(
      bad(
        /^✓ A NetGear client/,
        /^✓ It has pattern 1/,
        /^✗ It answered none of \d+ pictures: another server is already connected to it, or its receiver thread has crashed/,
      ),
    );
  });

  it('reports a server that binds', async () => {
    const { port, address } = await place();
    await using peer = new PythonPeer('silent_client.py', { port, type: 'PUB' });
    await peer.waitFor('ready');
    expect(await probe(address)).toEqual(
      bad(/^✗ A PUB socket is listening at tcp:\S+, expected a NetGear client \(PAIR, REP or SUB\)/),
    );
  });
});

describe.concurrent('gearway probe, of a server', () => {
  it.each([
    [
      'pattern 1 with messages',
      { pattern: 1, bidirectional: true },
      [
        /^✓ It sends JPEG of 400×120 pixels, colour space BGR, \d\d(?:\.\d)? fps\.$/,
        /^✓ Its frames have a message: \{"n": \d+, "t": [\d.]+\}\.$/,
      ],
    ],
    [
      'pattern 0, raw',
      { pattern: 0, raw: true },
      [/^✓ It sends raw uint8 of shape \(120, 400, 3\), \d\d(?:\.\d)? fps\.$/, /^✓ Its frames have no message/],
    ],
    ['pattern 2', { pattern: 2 }, [/^✓ It sends JPEG/, /^✓ Its frames have no message/]],
    [
      'multi-servers mode',
      { pattern: 1, multiserver: true },
      [
        /^✓ It sends JPEG/,
        /^✓ Its frames have no message/,
        /^✓ It is in multi-servers mode, as port \d+: use multiserver=true\.$/,
      ],
    ],
  ])('detects one of %s', async (_name, options, frames) => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, ...PICTURE, ...options });
    expect(await probe(`${address}?pattern=${options.pattern}`, 2)).toEqual(
      good(
        /^✓ A NetGear server connects to tcp:\S+: its client must bind this address\.$/,
        new RegExp(`^✓ It has pattern ${options.pattern} `),
        ...frames,
      ),
    );
  });

  it('reports a pattern that differs from that of the address', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, pattern: 2, ...PICTURE });
    expect(await probe(`${address}?pattern=1`, 2)).toEqual(
      bad(
        /^✓ A NetGear server connects/,
        /^✗ It has pattern 2 \(publish-subscribe\), but the address specifies pattern 1: both sides need the same\.$/,
        /^✓ It sends/,
        /^✓ Its frames have no message/,
      ),
    );
  });

  it('reports a server that sends nothing', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', {
      port,
      pattern: 2,
      ...PICTURE,
      pauses: [{ at: 0, seconds: 60 }],
    });
    expect(await probe(address, 2)).toEqual(
      bad(
        /^✓ A NetGear server connects/,
        /^✓ It has pattern 2/,
        /^✗ It is connected, but has sent nothing for 2 s: its program does not call send\(\)/,
      ),
    );
  });

  it.each([
    [0, /^✗ Another server tries to connect, but a PAIR socket accepts only one/],
    [1, /^✗ 2 servers are connected, and their frames are mixed/],
  ])('reports two of them if one is expected, pattern %i', async (pattern, fault) => {
    const { port, address } = await place();
    await using first = new PythonPeer('server.py', { port, pattern, ...PICTURE });
    await using second = new PythonPeer('server.py', { port, pattern, ...PICTURE });
    await Promise.all([first.waitFor('ready'), second.waitFor('ready')]);
    expect(await probe(`${address}?pattern=${pattern}`, 2)).toEqual(
      bad(/^✓ A NetGear server/, /^✓ It has pattern/, /^✓ It sends/, /^✓ Its frames have no message/, fault),
    );
  });

  it('listens at a socket file that a killed client has left behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-probe-'));
    await using killed = new Child(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(join(folder, 'feed:5555'))}, () => console.log('ready'))`,
    ]);
    await killed.stdout.waitFor('ready', (line) => line);
    killed.signal('SIGKILL');
    await killed.exited;
    expect(await probe(`ipc://${folder}/feed:5555`)).toEqual(bad(/^✗ No peer found: no client is listening at ipc:/));
    await rm(folder, { recursive: true });
  });

  it('reports that there is no peer', async () => {
    const { address } = await place();
    expect(await probe(address)).toEqual(
      bad(/^✗ No peer found: no client is listening at tcp:\S+, and no server connected to it within 1 s/),
    );
  });
});

describe.concurrent('gearway probe, in secure mode', () => {
  let folder: string;
  /** As NetGear's custom_cert_location: the keys are in `.vidgear/keys`. */
  const keys = (name: string): string => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gearway-probe-'));
    for (const name of ['ours', 'theirs']) openReceiverKeys(join(keys(name), '.vidgear', 'keys'));
    // The client has its own server key and a client key that is not ours; we have its server key.
    await cp(keys('theirs'), keys('stranger'), { recursive: true });
    await rm(join(keys('stranger'), '.vidgear/keys/private_keys/client.key_secret'));
    await cp(
      join(keys('ours'), '.vidgear/keys/private_keys/client.key_secret'),
      join(keys('stranger'), '.vidgear/keys/private_keys/client.key_secret'),
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([1, 2])('detects a client of mode %i that has our keys', async (secure) => {
    const { port, address } = await place();
    await using _peer = await client({ port, secure, keys: keys('ours') });
    expect(await probe(`${address}?pattern=1&secure=${secure}&keys=${keys('ours')}`)).toEqual(
      good(
        /^✓ A NetGear client/,
        /^✓ It accepts our keys: the connection is encrypted\.$/,
        /^✓ It has pattern 1/,
        /^✓ It answered/,
      ),
    );
  });

  it('reports that a client is in secure mode, but the address is not', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port, secure: 1, keys: keys('ours') });
    expect(await probe(address)).toEqual(
      bad(/^✓ A NetGear client/, /^✗ It is in secure mode, but the address is not: add secure=1/),
    );
  });

  it('reports that a client is not in secure mode, but the address is', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port });
    expect(await probe(`${address}?secure=1&keys=${keys('ours')}`)).toEqual(
      bad(/^✓ A NetGear client/, /^✗ It is not in secure mode, but the address is/),
    );
  });

  it('reports the wrong server key', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port, secure: 1, keys: keys('theirs') });
    expect(await probe(`${address}?pattern=1&secure=1&keys=${keys('ours')}`)).toEqual(
      bad(/^✓ A NetGear client/, /^✗ It does not accept our keys: \S+\/public_keys\/server\.key must match its/),
    );
  });

  it('reports a key that an IronHouse client does not have', async () => {
    const { port, address } = await place();
    await using _peer = await client({ port, secure: 2, keys: keys('theirs') });
    expect(await probe(`${address}?pattern=1&secure=2&keys=${keys('stranger')}`)).toEqual(
      bad(
        /^✓ A NetGear client/,
        /^✗ It refuses this machine\. In secure mode 2 \(IronHouse\) it accepts only keys that it had when it started: copy/,
      ),
    );
  });

  it.each([1, 2])('detects a server of mode %i that has our keys', async (secure) => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, secure, keys: keys('ours'), ...PICTURE });
    expect(await probe(`${address}?pattern=1&secure=${secure}&keys=${keys('ours')}`, 2)).toEqual(
      good(
        /^✓ A NetGear server/,
        /^✓ It has pattern 1/,
        /^✓ Its keys match ours/,
        /^✓ It sends JPEG/,
        /^✓ Its frames have no message/,
      ),
    );
  });

  it('reports that a server is in secure mode, but the address is not', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, secure: 1, keys: keys('ours'), ...PICTURE });
    expect(await probe(address, 2)).toEqual(
      bad(/^✓ A NetGear server/, /^✗ It is in secure mode, but the address is not: add secure=1/),
    );
  });

  it('detects the pattern of a server if the address has none', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, pattern: 2, secure: 1, keys: keys('ours'), ...PICTURE });
    expect(await probe(`${address}?pattern=1&secure=1&keys=${keys('ours')}`, 2)).toEqual(
      bad(
        /^✓ A NetGear server/,
        /^✗ It has pattern 2 \(publish-subscribe\), but the address specifies pattern 1/,
        /^✓ Its keys/,
        /^✓ It sends/,
        /^✓ Its frames have no message/,
      ),
    );
  });

  it('reports a server that has another key of ours', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, secure: 1, keys: keys('theirs'), ...PICTURE });
    expect(await probe(`${address}?pattern=1&secure=1&keys=${keys('ours')}`, 2)).toEqual(
      bad(
        /^✓ A NetGear server/,
        /^✗ It cannot connect: a server was refused: its public_keys\/server\.key does not match our private_keys\/server\.key_secret\.$/,
      ),
    );
  });

  it('creates no keys', async () => {
    const { address } = await place();
    expect(await probe(`${address}?secure=1&keys=${keys('none')}`)).toEqual(
      bad(/^✗ There are no keys in \S+\/none\/\.vidgear\/keys: copy that folder from the other side/),
    );
    expect(existsSync(keys('none'))).toBe(false);
  });

  it('reports a server whose key is unknown', async () => {
    const { port, address } = await place();
    await using _server = new PythonPeer('server.py', { port, secure: 1, keys: keys('stranger'), ...PICTURE });
    expect(await probe(`${address}?pattern=1&secure=2&keys=${keys('theirs')}`, 2)).toEqual(
      bad(/^✓ A NetGear server/, /^✗ It cannot connect: .*its key \S{40} is not in/),
    );
  });
});

describe('gearway probe, as a process', () => {
  const run = (...args: string[]): Child =>
    new Child(process.execPath, ['dist/gateway/main.js', 'probe', ...args], { cwd: ROOT });

  it.each(['127.0.0.1:5567', 'tcp://127.0.0.1:5567,5568', 'tcp://127.0.0.1:5567?pattern=3'])(
    'exits with 2 for the address %s',
    async (address) => {
      await using child = run(address);
      expect(await child.exited).toBe(2);
    },
  );

  it('exits with 1 when there are problems, and prints them', async () => {
    const { address } = await place();
    await using child = run(address, '--seconds', '1');
    expect(await child.exited).toBe(1);
    expect(child.stdout.all).toContain('Problems found (✗).');
  });
});

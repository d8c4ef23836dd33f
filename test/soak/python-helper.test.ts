import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { blocks, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { peers, PythonPeer } from '../helpers/peers.ts';
import { JPEG } from '../helpers/viewer.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

const PACKAGE = join(ROOT, 'python');
const run = promisify(execFile);
const python = (args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<{ stdout: string }> =>
  run(peers().python, args, { cwd, env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env } });

type Returned = { readonly data: Readonly<Record<string, string>> };
type Ready = { readonly source: string; readonly client: string; readonly returns: string };

/** Waits until a helper server has received this from a port. */
const returned = (server: PythonPeer, port: number, value: string | RegExp): Promise<Returned> =>
  server.waitFor<Returned>('returned', ({ data }) =>
    typeof value === 'string' ? data[port] === value : value.test(data[port] ?? ''),
  );

describe('the Python helper', { timeout: 60_000 }, () => {
  it('passes its own tests', async () => {
    const { stdout } = await python(['-m', 'pytest', '-q'], PACKAGE);
    expect(stdout).toMatch(/^\d{3} passed/m);
  });

  it('is typed', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'gearway-mypy-'));
    try {
      const { stdout } = await python(['-m', 'mypy', '--cache-dir', cache], PACKAGE);
      expect(stdout).toMatch(/^Success: no issues found in 7 source files/);
    } finally {
      await rm(cache, { recursive: true });
    }
  });

  it('sends values, arrays and pictures of all clients to a server, and messages with arrays to a client', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using server = new PythonPeer('helper_server.py', { port: source });
    await using client = new PythonPeer('helper_client.py', {
      port: native,
      returns: '{"depth": np.arange(6, dtype=">f8").reshape(3, 2), "score": np.float32(0.5)}',
    });
    const { source: url } = await server.waitFor<Ready>('ready');
    const { client: address } = await client.waitFor<Ready>('ready');
    await using gateway = await LocalGateway.start('--source', url, '--client', address);
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    const port = (await viewer.welcome).port!;

    await returned(server, native, /^\{'depth': array\(\[\[0\., 1\.\],.*dtype='>f8'\), 'score': 0\.5\}$/s);
    const message = await client.waitFor<{ number: number; mask: string; shape: number[] }>('frame');
    expect(message.shape).toEqual([48, 64, 3]);
    expect(message.mask).toMatch(/^uint16 \[2, 3\] /);

    await viewer.return({ kind: 'value', value: { speed: 1 } });
    await returned(server, port, "{'speed': 1}");
    const data = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
    await viewer.return({ kind: 'array', array: { dtype: 'float32', shape: [2, 2], data } });
    await returned(server, port, /^float32 \[2, 2\] /);
    await viewer.return({ kind: 'jpeg', data: JPEG });
    await returned(server, port, /^uint8 \[\d+, \d+, 3\] /);
    // A malformed array is returned unchanged, and the server continues.
    await viewer.return({ kind: 'value', value: { $ndarray: { dtype: 'O', shape: [1], data: 'AAAAAAAAAAA=' } } });
    await returned(server, port, "{'$ndarray': {'dtype': 'O', 'shape': [1], 'data': 'AAAAAAAAAAA='}}");
    await viewer.return({ kind: 'value', value: 'still there' });
    await returned(server, port, "'still there'");

    server.stdin.end();
    expect(await server.exited).toBe(0);
  });

  it.each([
    ['a picture of floats', 'np.linspace(0, 1, 12).reshape(3, 4)', /^float64 \[3, 4\] /],
    ['one-dimensional integers', 'np.arange(5, dtype=np.int16)', /^int16 \[5\] /],
  ])('returns %s exactly', async (_, expression, described) => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using server = new PythonPeer('helper_server.py', { port: source });
    await using client = new PythonPeer('helper_client.py', { port: native, returns: expression });
    const { client: address, returns } = await client.waitFor<Ready>('ready');
    expect(returns).toMatch(described);
    await using _gateway = await LocalGateway.start(
      '--source',
      (await server.waitFor<Ready>('ready')).source,
      '--client',
      address,
    );
    await returned(server, native, returns);
  });

  it('returns the latest data of each port to a server in multi-clients mode', async () => {
    const ports = (await freePorts(2)) as [number, number];
    await using server = new PythonPeer('helper_server.py', { port: ports });
    await using gateway = await LocalGateway.start('--source', (await server.waitFor<Ready>('ready')).source);
    await using first = await WebViewer.open(`${gateway.url}/streams/main`, { port: ports[0] });
    await using second = await WebViewer.open(`${gateway.url}/streams/main`, { port: ports[1] });
    await first.return({ kind: 'value', value: 1 });
    await second.return({ kind: 'value', value: [2.5] });
    await server.waitFor<Returned>('returned', ({ data }) => data[ports[0]] === '1' && data[ports[1]] === '[2.5]');
  });

  it('waits for a gateway longer than three NetGear timeouts, and survives its restart', async () => {
    const [source, native] = (await freePorts(2)) as [number, number];
    await using server = new PythonPeer('helper_server.py', { port: source });
    await using client = new PythonPeer('helper_client.py', { port: native, returns: '7' });
    const { source: url } = await server.waitFor<Ready>('ready');
    const { client: address } = await client.waitFor<Ready>('ready');
    // NetGear logs each timeout. It would end with the third one.
    await expect.poll(() => timeouts(server), { timeout: 40_000 }).toBeGreaterThanOrEqual(3);
    await using gateway = await GatewayProcess.start('--source', url, '--client', address);
    await returned(server, native, '7');
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toBe(0);
    const before = server.events('returned').length;
    await using again = await GatewayProcess.start('--source', url, '--client', address);
    await again.statusWhere('frames', ({ state, clients }) => state === 'live' && clients[0]?.state === 'live');
    await using viewer = await WebViewer.open(`${await again.url}/streams/main`);
    await viewer.return({ kind: 'value', value: 'again' });
    await returned(server, (await viewer.welcome).port!, "'again'");
    expect(server.events('returned').length).toBeGreaterThan(before);
    expect(client.isRunning).toBe(true);
  });
});

const timeouts = (server: PythonPeer): number =>
  [...server.stdout.all, ...server.stderr.all].filter((line) => line.includes('No response from Client')).length;

describe('the package of the Python helper', { timeout: 60_000 }, () => {
  it('is built as a wheel and an sdist, and runs in an empty environment with NumPy alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-wheel-'));
    try {
      await python(
        ['-c', `import flit_core.buildapi as b; b.build_wheel('${folder}'); b.build_sdist('${folder}')`],
        PACKAGE,
      );
      const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
      const names = [`gearway-${version}-py3-none-any.whl`, `gearway-${version}.tar.gz`];
      expect((await readdir(folder)).sort()).toEqual(names.sort());
      const { stdout: listed } = await run('tar', ['-tzf', join(folder, `gearway-${version}.tar.gz`)]);
      for (const file of ['LICENSE', 'README.md', 'pyproject.toml', 'src/gearway/py.typed', 'tests/test_values.py'])
        expect(listed).toContain(`gearway-${version}/${file}\n`);

      const venv = join(folder, 'venv');
      await python(['-m', 'venv', venv], folder);
      const interpreter = join(venv, 'bin/python');
      const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-index', '--no-deps'];
      await run(interpreter, [...install, join(folder, `gearway-${version}-py3-none-any.whl`)]);
      const folderOf = async (program: string): Promise<string> =>
        (
          await run(program, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], { cwd: folder })
        ).stdout.trim();
      const [to, from] = [await folderOf(interpreter), await folderOf(peers().python)];
      for (const name of ['numpy', 'numpy.libs']) await symlink(join(from, name), join(to, name));
      const { stdout } = await run(interpreter, ['-c', EMPTY], { cwd: folder });
      expect(stdout.trim().split('\n')).toEqual([
        version,
        '{6000: [1, 2]}',
        "Server and Client require VidGear: pip install 'gearway[netgear]'",
        '{6000: {"$ndarray": {"jpeg": "AAAA"}}}',
        'True',
      ]);
      expect(await readFile(join(PACKAGE, 'LICENSE'), 'utf8')).toBe(await readFile(join(ROOT, 'LICENSE'), 'utf8'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const EMPTY = `
import importlib.metadata, importlib.resources, json
import gearway
assert importlib.metadata.version("gearway") == gearway.__version__
print(gearway.__version__)
array = gearway.by_port({"6000": {"$ndarray": {"dtype": "uint8", "shape": [2], "data": "AQI="}}})
print({port: value.tolist() for port, value in array.items()})
try:
    gearway.Server()
except ImportError as error:
    print(error)
print(str(gearway.by_port({"6000": {"$ndarray": {"jpeg": "AAAA"}}})).replace("'", '"'))
print((importlib.resources.files("gearway") / "py.typed").is_file())
`;

describe('docs/python-helper.md', () => {
  const program = (name: string): string =>
    blocks('python-helper.md', 'python').find((text) => text.startsWith(`# ${name}\n`))!;

  /** Runs a program of the page with other ports. */
  async function start(folder: string, name: string, ports: ReadonlyMap<string, number>): Promise<Child> {
    const text = program(name).replaceAll(/\b\d{4}\b/g, (port) => String(ports.get(port) ?? port));
    await writeFile(join(folder, name), text);
    return new Child(peers().python, ['-u', name], {
      cwd: folder,
      env: { ...process.env, PYTHONPATH: join(PACKAGE, 'src'), PYTHONWARNINGS: 'ignore' },
    });
  }

  it.each(['helper_server.py', 'helper_by_port.py'])('has a working %s', async (name) => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-docs-'));
    const [source, native] = (await freePorts(2)) as [number, number];
    const ports = new Map([
      ['5555', source],
      ['5567', native],
    ]);
    const line = blocks('python-helper.md', 'sh').find((text) => text.startsWith('npm start'))!;
    const args = /^npm start -- (.*)$/m.exec(line)![1]!.replaceAll('"', '');
    try {
      await using client = await start(folder, 'helper_client.py', ports);
      await using _gateway = await LocalGateway.start(
        ...args.replaceAll(/\b\d{4}\b/g, (port) => String(ports.get(port) ?? port)).split(' '),
      );
      await client.stdout.waitFor('its address', (text) =>
        text === `tcp://127.0.0.1:${native}?pattern=1` ? text : undefined,
      );
      await using server = await start(folder, name, ports);
      await server.stdout.waitFor('the return data of the client', (text) =>
        text.includes(String(native)) && text.includes("{'gripper': 'open'}") ? text : undefined,
      );
      await client.stdout.waitFor('a message with its frame', (text) =>
        /^\{'number': \d+\} \(480, 640, 3\)$/.test(text) ? text : undefined,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has an example of arrays with the documented output', async () => {
    const { stdout } = await python(['-c', program('helper_arrays.py')], ROOT, {
      PYTHONPATH: join(PACKAGE, 'src'),
    });
    expect(stdout).toBe(
      '{"mask": {"$ndarray": {"dtype": "uint8", "shape": [2, 2], "data": "AQAAAQ=="}}, "score": 0.5}\n(2, 2)\n',
    );
  });
});

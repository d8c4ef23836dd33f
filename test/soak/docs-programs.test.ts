import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { blocks, docBlocks, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Folder } from '../helpers/media.ts';
import { type ClientReport, peers, PythonPeer } from '../helpers/peers.ts';
import { JPEG } from '../helpers/viewer.ts';

// Programs of docs/api.md, python/README.md and docs/embedding.md, with free ports.

const run = promisify(execFile);
const PICTURE = { height: 120, width: 400 };

const withPorts = (text: string, ports: Readonly<Record<string, number>>): string =>
  text.replaceAll(/\b\d{4}\b/g, (port) => String(ports[port] ?? port));

/** A project in which `gearway` is installed, with a picture. */
async function project(): Promise<Folder> {
  const folder = await Folder.create();
  await folder.write('picture.jpg', JPEG);
  await mkdir(folder.file('node_modules'));
  await symlink(ROOT, folder.file('node_modules/gearway'));
  return folder;
}

describe('docs/api.md', () => {
  const [gatewayProgram = '', peersProgram = ''] = blocks('api.md', 'js');

  it('has a gateway in a program', async () => {
    await using folder = await project();
    const [native = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', { port: native, pattern: 1, bidirectional: true, returns: 'Hi' });
    await client.waitFor('ready');
    const text = withPorts(gatewayProgram, { 5567: native }).replace('createGateway({', 'createGateway({ port: 0,');
    await folder.write('program.mjs', text);
    await using program = new Child(process.execPath, ['program.mjs'], { cwd: folder.path });
    await program.stdout.waitFor('its address', (line) => (/^Open http:\S+\/$/.test(line) ? line : undefined));
    await program.stdout.waitFor('return data', (line) => (line === `${native} Hi` ? line : undefined));
  });

  it('has a sender and a receiver of NetGear', async () => {
    await using folder = await project();
    const [to, from] = (await freePorts(2)) as [number, number];
    await using client = new PythonPeer('client.py', { port: to, pattern: 1, bidirectional: true, returns: 'Hi' });
    await client.waitFor('ready');
    await using server = new PythonPeer('server.py', {
      port: from,
      bidirectional: true,
      frames: 900,
      ...PICTURE,
    });
    await folder.write('program.mjs', withPorts(peersProgram, { 5567: to, 5577: from }));
    await using program = new Child(process.execPath, ['program.mjs'], { cwd: folder.path });
    const returned = await server.waitFor<{ data: { speed?: number; seen?: number } | null }>(
      'returned',
      ({ data }) => data?.speed === 1,
    );
    expect(returned.data!.seen).toBeGreaterThanOrEqual(0);
    expect(program.stderr.all).toEqual([]);
    await client.waitFor<ClientReport>('progress', ({ count }) => count > 0);
  });
});

describe('python/README.md', () => {
  it('has a server and a client', async () => {
    const [server = '', client = ''] = docBlocks('python/README.md').map(({ code }) => code);
    const [source, native] = (await freePorts(2)) as [number, number];
    const start = (text: string): Child =>
      new Child(peers().python, ['-u', '-c', withPorts(text, { 5555: source, 5567: native })], {
        env: { ...process.env, PYTHONPATH: `${ROOT}/python/src`, PYTHONWARNINGS: 'ignore' },
      });
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${native}?pattern=1`,
    );
    await using receiving = start(client);
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using sending = start(server);
    await sending.stdout.waitFor('return data', (line) =>
      line.includes(`${native}: {'gripper': 'open'}`) ? line : undefined,
    );
    await receiving.stdout.waitFor('a frame', (line) =>
      /^\{'number': \d+\} \(480, 640, 3\)$/.test(line) ? line : undefined,
    );
  });
});

describe('docs/embedding.md', () => {
  it('has a function for returned arrays', async () => {
    const [program = ''] = blocks('embedding.md', 'python');
    const check = `
print(array({"$ndarray": {"dtype": "uint16", "shape": [1, 2], "data": "AQACAA=="}}).tolist())
jpeg = base64.b64encode(cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()).decode()
print(array({"$ndarray": {"jpeg": jpeg}}).shape)
`;
    const { stdout } = await run(peers().python, ['-c', program + check]);
    expect(stdout).toBe('[[1, 2]]\n(8, 16, 3)\n');
  });
});

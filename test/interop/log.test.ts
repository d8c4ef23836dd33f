/** The command, while its log cannot be written. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Folder } from '../helpers/media.ts';
import { jpegSized } from '../helpers/pictures.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The reader of standard output and error ends after the line with the gateway's address. */
const READER_GONE = `
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
while True:
    line = child.stdout.readline().decode()
    print(line, end='', flush=True)
    if 'serving' in line or not line:
        break
child.stdout.close()
sys.stdin.read()
child.terminate()
sys.exit(child.wait())
`;

describe('gearway', () => {
  it.each([
    ['its log is on a full disk', ['sh', '-c', 'exec "$@" 2>/dev/full', 'sh']],
    [
      'its log of JSON is on a full disk',
      ['sh', '-c', 'exec "$@" --log-format json --log-level debug 2>/dev/full', 'sh'],
    ],
    ['its output and its log are closed', ['sh', '-c', 'exec "$@" >&- 2>&-', 'sh']],
    ['the reader of its output has exited', ['python3', '-c', READER_GONE]],
  ])('serves, and ends normally, while %s', async (_name, [command = '', ...args]) => {
    const [port = 0] = await freePorts(1);
    await using child = new Child(
      command,
      [...args, process.execPath, 'dist/gateway/main.js', '--port', String(port), '--source', 'push:'],
      { cwd: ROOT },
    );
    const url = `http://127.0.0.1:${port}`;
    const served = async (): Promise<boolean> =>
      fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await expect.poll(served).toBe(true);
    // Each connection causes a line in the log.
    for (let index = 0; index < 20; index += 1)
      await fetch(`${url}/streams/main/frames`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: index % 2 === 0 ? jpegSized(64, 48) : 'no picture',
      });
    expect(await served()).toBe(true);
    if (command === 'sh') child.signal('SIGTERM');
    else child.stdin.end();
    expect(await child.exited).toBe(0);
  });

  it('writes lines of JSON for log collectors, of the level in the configuration file, which may change', async () => {
    await using folder = await Folder.create();
    const content = (level: string): string =>
      `logFormat: json\nlogLevel: ${level}\nstreams:\n  door:\n    source: test-pattern:?size=320x180&fps=15\n`;
    const config = await folder.write('gateway.yaml', content('info'));
    await using gateway = await GatewayProcess.start('--config', config);
    const entries = (): { level: string; msg: string; stream?: string }[] =>
      gateway.stderr.all.map((line) => JSON.parse(line) as { level: string; msg: string; stream?: string });
    await expect
      .poll(entries)
      .toContainEqual(
        expect.objectContaining({ level: 'info', stream: 'door', state: 'live', msg: 'live, frames arrive' }),
      );
    await fetch(`${await gateway.url}/healthz`);
    expect(entries().filter(({ level }) => level === 'debug')).toEqual([]);
    await folder.write('gateway.yaml', content('debug'));
    await expect.poll(entries).toContainEqual(expect.objectContaining({ level: 'info', component: 'configuration' }));
    await fetch(`${await gateway.url}/healthz?token=s3cret`);
    await expect
      .poll(entries)
      .toContainEqual(
        expect.objectContaining({ level: 'debug', method: 'GET', route: '/healthz', status: 200, peer: '127.0.0.1' }),
      );
    expect(gateway.stderr.all.join()).not.toContain('s3cret');
  });

  it('reports the priority of each line to the journal of systemd', async () => {
    await using folder = await Folder.create();
    const file = await folder.write('journal', '');
    const script = 'exec 2>>"$0"; JOURNAL_STREAM=$(stat -Lc %d:%i "$0") exec "$@"';
    const command = [
      process.execPath,
      'dist/gateway/main.js',
      '--port',
      '0',
      '--source',
      'test-pattern:?size=320x180&fps=10',
    ];
    await using child = new Child('sh', ['-c', script, file, ...command], { cwd: ROOT });
    await expect.poll(async () => readFile(file, 'utf8')).toMatch(/^<6>\S+ stream main: live, frames arrive$/m);
    child.signal('SIGTERM');
    expect(await child.exited).toBe(0);
  });
});

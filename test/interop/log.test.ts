/** The command, while its log cannot be written. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { freePorts } from '../helpers/free-port.ts';
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
    ['its output and its log are closed', ['sh', '-c', 'exec "$@" >&- 2>&-', 'sh']],
    ['whoever read its output has gone', ['python3', '-c', READER_GONE]],
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
    await expect.poll(served, { timeout: 20_000 }).toBe(true);
    // Each makes a line of the log.
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
});

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { ROOT } from '../helpers/example-lines.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Report {
  readonly text: string;
}

const UNIT = join(ROOT, 'deploy/systemd/gearway.service');

/** Starts the gateway like systemd. */
const start = (environment: NodeJS.ProcessEnv): Child =>
  new Child(process.execPath, ['dist/gateway/main.js', '--port', '0', '--source', 'push:'], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
  });

describe('a gateway of systemd', () => {
  it('reports that it is ready, alive and stopping, through a real datagram socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-systemd-'));
    try {
      await using manager = new PythonPeer('notify_socket.py', { path: join(folder, 'notify') });
      await manager.waitFor('ready');
      await using gateway = start({
        NOTIFY_SOCKET: join(folder, 'notify'),
        WATCHDOG_USEC: '1000000',
        XDG_RUNTIME_DIR: folder,
      });
      const { text } = await manager.waitFor<Report>('report', ({ text: report }) => report.includes('READY=1'));
      expect(text).toContain(`MAINPID=${gateway.process.pid}`);
      // The gateway serves requests at that time.
      const url = await gateway.stdout.waitFor(
        'the address',
        (line) => /^Gearway is serving on (\S+)$/.exec(line)?.[1],
      );
      expect((await fetch(`${url}healthz`)).status).toBe(200);
      await expect
        .poll(
          () => manager.events<Report>('report').filter(({ text: report }) => report.includes('WATCHDOG=1')).length,
          { timeout: 15_000 },
        )
        .toBeGreaterThan(2);
      gateway.signal('SIGTERM');
      expect(await gateway.exited).toBe(0);
      await manager.waitFor<Report>('report', ({ text: report }) => report.includes('STOPPING=1'));
      expect(gateway.stderr.all.join('\n')).not.toContain('systemd');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('continues, with one line in the log, if systemd does not listen', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-systemd-'));
    try {
      await using gateway = start({
        NOTIFY_SOCKET: join(folder, 'nobody'),
        WATCHDOG_USEC: '500000',
        XDG_RUNTIME_DIR: folder,
      });
      await gateway.stderr.waitFor('a warning', (line) =>
        line.includes('systemd could not be notified') ? line : undefined,
      );
      const url = await gateway.stdout.waitFor(
        'the address',
        (line) => /^Gearway is serving on (\S+)$/.exec(line)?.[1],
      );
      expect((await fetch(`${url}healthz`)).status).toBe(200);
      gateway.signal('SIGTERM');
      expect(await gateway.exited).toBe(0);
      expect(gateway.stderr.all.filter((line) => line.includes('systemd'))).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('deploy/systemd/gearway.service', () => {
  it('starts a gateway with the configuration beside it, and a folder for its state', async () => {
    const unit = await readFile(UNIT, 'utf8');
    const folder = await mkdtemp(join(tmpdir(), 'gearway-systemd-'));
    try {
      // Credentials as systemd passes them, and the state directory as it creates it.
      for (const [, name = ''] of unit.matchAll(/^LoadCredential=(\S+?):/gm))
        await writeFile(join(folder, name), `${name}\n`);
      const [, command = ''] = /^ExecStart=\S+ (.*)$/m.exec(unit)!;
      const args = command
        .replace('/opt/gearway/', `${ROOT}/`)
        .replace('/etc/gearway/', `${ROOT}/deploy/systemd/`)
        .replace('/var/lib/gearway', join(folder, 'state'))
        .split(' ');
      await using gateway = new Child(process.execPath, [...args, '--port', '0'], {
        env: { ...process.env, CREDENTIALS_DIRECTORY: folder },
      });
      const url = await gateway.stdout.waitFor(
        'the ready line',
        (line) => /^Gearway is serving on (\S+)$/.exec(line)?.[1],
      );
      const answer = await fetch(`${url}api/streams`, { headers: { authorization: 'Bearer view-token' } });
      const streams = (await answer.json()) as { name: string }[];
      expect(streams.map(({ name }) => name)).toEqual(['door', 'yard', 'hall', 'desk']);
      expect(await readdir(join(folder, 'state'))).toEqual(['log-ins.json']);
      // docs/deploy.md checks the file before the service is started, with the files of the credentials.
      const page = await readFile(join(ROOT, 'docs/deploy.md'), 'utf8');
      const [, check = ''] = /^sudo (CREDENTIALS_DIRECTORY=\S+ node .* check-config .*)$/m.exec(page) ?? [];
      const here = check
        .replace('/etc/gearway/gateway.yaml', 'deploy/systemd/gateway.yaml')
        .replace('/etc/gearway', folder);
      const { stdout } = spawnSync('bash', ['-c', here], { encoding: 'utf8', cwd: ROOT });
      expect(stdout).toMatch(/ is valid: 4 streams, /);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('passes `systemd-analyze verify`', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-systemd-'));
    try {
      const unit = join(folder, 'gearway.service');
      // The program in the unit is replaced by this Node.js.
      await writeFile(
        unit,
        (await readFile(UNIT, 'utf8')).replace('/usr/bin/node', process.execPath).replace(/^Documentation=.*\n/m, ''),
      );
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
      expect({ status, output: `${stdout}${stderr}` }).toEqual({ status: 0, output: '' });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

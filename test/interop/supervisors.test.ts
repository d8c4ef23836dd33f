/**
 * The command under the programs that start and stop it: npm, a service manager, a container, a terminal. Linux only;
 * requires root for the container.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { type FamilyMember, ProcessFamily } from '../helpers/process-family.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A source with a child process, which must end too. */
const OPTIONS = ['--port', '0', '--source', 'ffmpeg:lavfi:testsrc2=size=320x240:rate=5'];

const GATEWAY = [process.execPath, 'dist/gateway/main.js', ...OPTIONS] as const;

/**
 * Time from the signal to the end of the last process: 0.5 s until the end of the package manager is noticed, 1.8 s to
 * close, and a margin for a busy machine.
 */
const LIMIT_MS = 4000;

/** Identifies the gateway by its process title. */
const isGateway = ({ command }: FamilyMember): boolean => command.startsWith('gearway ');

const isFfmpeg = ({ command }: FamilyMember): boolean => /^ffmpeg .*testsrc2/.test(command);

interface Running extends AsyncDisposable {
  readonly child: Child;
  readonly family: ProcessFamily;
  /** PID of the gateway outside of the container. */
  readonly gateway: number;
}

/** Runs a command until its gateway shows the source's pictures. */
async function start(command: string, ...args: string[]): Promise<Running> {
  const family = new ProcessFamily();
  const child = new Child(command, args, { cwd: ROOT, env: family.environment() });
  try {
    await child.stdout.waitFor('the ready line', (line) => (line.includes('Gearway is serving on') ? true : undefined));
    await family.until('FFmpeg', (members) => members.some(isFfmpeg));
    const gateway = family.members().find(isGateway);
    if (gateway === undefined) throw new Error('there is no gateway');
    return {
      child,
      family,
      gateway: gateway.pid,
      async [Symbol.asyncDispose]() {
        await family[Symbol.asyncDispose]();
        await child.exited;
      },
    };
  } catch (error) {
    await family[Symbol.asyncDispose]();
    throw error;
  }
}

const nothingLeft = (family: ProcessFamily): Promise<void> =>
  family.until('the end of all processes', (members) => members.length === 0, LIMIT_MS);

describe('npm start', () => {
  // SIGINT to npm alone is not tested: npm and its shell would continue to wait for a program that did not get the
  // signal.
  it.each(['SIGTERM', 'SIGHUP', 'SIGKILL'] as const)('leaves nothing running when npm gets %s', async (signal) => {
    await using running = await start('npm', 'start', '--', ...OPTIONS);
    running.child.signal(signal);
    await nothingLeft(running.family);
  });

  it('leaves nothing running if all its processes get SIGINT, as by Ctrl+C', async () => {
    await using running = await start('setsid', '--wait', 'npm', 'start', '--', ...OPTIONS);
    process.kill(-groupOf(running), 'SIGINT');
    await nothingLeft(running.family);
  });
});

/** The PID of a session's first process is the id of its group. */
function groupOf({ family, gateway }: Running): number {
  const members = new Map(family.members().map((member) => [member.pid, member]));
  let pid = gateway;
  for (
    let parent = members.get(pid)?.parent;
    parent !== undefined && members.has(parent) && !members.get(parent)!.command.startsWith('setsid');
    parent = members.get(pid)?.parent
  )
    pid = parent;
  return pid;
}

describe('a service manager', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'ends the gateway and its programs by %s to the process',
    async (signal) => {
      await using running = await start(...GATEWAY);
      running.child.signal(signal);
      await nothingLeft(running.family);
      expect(await running.child.exited).toBe(signal === 'SIGKILL' ? null : 0);
    },
  );

  it('ends all processes by SIGTERM to the group', async () => {
    await using running = await start('setsid', '--wait', ...GATEWAY);
    process.kill(-groupOf(running), 'SIGTERM');
    await nothingLeft(running.family);
    expect(await running.child.exited).toBe(0);
  });

  it('ends a gateway that is still starting', async () => {
    await using family = new ProcessFamily();
    const [node, ...args] = GATEWAY;
    const child = spawn(node, args, { cwd: ROOT, env: family.environment(), stdio: 'ignore' });
    await family.until('the process', (members) => members.length > 0);
    child.kill('SIGTERM');
    await nothingLeft(family);
  });
});

describe('a container, where the gateway is process 1', () => {
  const unshare = [
    '--pid',
    '--fork',
    '--mount-proc',
    '--kill-child',
    ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ];

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('ends on %s', async (signal) => {
    await using running = await start('unshare', ...unshare, ...GATEWAY);
    process.kill(running.gateway, signal);
    await nothingLeft(running.family);
    expect(await running.child.exited).toBe(0);
  });
});

describe('a terminal', () => {
  /** Runs the gateway on a separate terminal, which reads `stdin` and closes when that ends. */
  const onTerminal = (): Promise<Running> => start('python3', '-c', TERMINAL, ...GATEWAY);

  it('leaves nothing running when it is closed', async () => {
    await using running = await onTerminal();
    running.child.stdin.end();
    await nothingLeft(running.family);
  });

  it('stops the gateway by Ctrl+C', async () => {
    await using running = await onTerminal();
    running.child.stdin.write('\u0003');
    await running.family.until(
      'the end of gateway and FFmpeg',
      (members) => !members.some((member) => isGateway(member) || isFfmpeg(member)),
      LIMIT_MS,
    );
  });
});

/**
 * Runs a command on a new terminal, and forwards its output. When its own input ends, closes the terminal and waits for
 * the command.
 */
const TERMINAL = `
import os, pty, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([0, fd], [], [])
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 1024)
        if not data:
            break
        os.write(fd, data)
os.close(fd)
os.waitpid(pid, 0)
`;

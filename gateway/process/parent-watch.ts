import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A running process. */
interface ProcessInfo {
  readonly parent: number;
  /** Name of its program; truncated to 15 bytes on Linux. */
  readonly name: string;
}

/**
 * Interval between checks. Together with the at most 1.8 s for stopping, it is below the timeout of service managers.
 */
const CHECK_INTERVAL_MS = 500;

const SHELL = /^-?(?:sh|dash|bash|ash|zsh|ksh|busybox)$/;

const PACKAGE_MANAGER = /^(?:node|npm|npx|pnpm|yarn|bun)/;

/**
 * Watches the package manager that runs this process, and calls `onGone` once when it has exited. npm forwards SIGTERM
 * only to its shell, and SIGKILL is not forwarded at all: without this, the gateway would keep running and keep its
 * ports.
 *
 * Does nothing if the parent is neither a package manager nor its shell, and on Windows. Does not keep the process
 * running.
 *
 * @param self this process (`process`).
 */
export function watchPackageManager(
  self: Pick<NodeJS.Process, 'ppid' | 'platform' | 'kill'>,
  onGone: () => void,
): void {
  const parent = self.ppid;
  const info = readProcess(parent, self.platform);
  if (info === null) return;
  const isShell = SHELL.test(info.name);
  if (!isShell && !PACKAGE_MANAGER.test(info.name)) return;
  const isOrphan = (): boolean => {
    if (self.ppid !== parent) return true;
    if (!isShell) return false;
    // The shell outlives a package manager that was killed, because it waits for this process.
    return self.platform === 'linux'
      ? readProcess(parent, 'linux')?.parent !== info.parent
      : !isAlive(info.parent, self);
  };
  const timer = setInterval(() => {
    if (!isOrphan()) return;
    clearInterval(timer);
    onGone();
  }, CHECK_INTERVAL_MS);
  timer.unref();
}

/** @returns null if there is no such process, or it cannot be read. */
function readProcess(pid: number, platform: NodeJS.Platform): ProcessInfo | null {
  try {
    if (platform === 'linux') {
      // The name is in parentheses, and may contain parentheses.
      const [, name = '', parent = ''] =
        /^\d+ \((.*)\) \S+ (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      return { parent: Number(parent), name };
    }
    const [, parent = '', path = ''] =
      /^\s*(\d+)\s+(.+?)\s*$/.exec(
        execFileSync('ps', ['-o', 'ppid=,comm=', '-p', String(pid)], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          timeout: 1000,
        }),
      ) ?? [];
    return path === '' ? null : { parent: Number(parent), name: basename(path) };
  } catch {
    return null; // The process has just exited, or there is no ps (Windows).
  }
}

function isAlive(pid: number, self: Pick<NodeJS.Process, 'kill'>): boolean {
  try {
    return self.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

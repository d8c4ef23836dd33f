import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { promisify } from 'node:util';

/** The processes that serve the viewers of the gateway in this process, in the order in which they were started. */
export async function workersOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  return stdout.split('\n').flatMap((line) => {
    const [, id, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(parent) === pid && /\/gateway\/workers\/main\.(?:js|ts)/.test(args) ? [Number(id)] : [];
  });
}

/** Whether it runs. Who has ended and was not buried by its parent does not: an orphan may lie there for seconds. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return platform() !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // ESRCH, or it has just been buried
  }
}

import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

/** Whether a process is running. A zombie is not running; an orphan can remain a zombie for seconds. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return platform() !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // ESRCH, or the process was reaped just now.
  }
}

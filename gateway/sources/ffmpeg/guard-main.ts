/**
 * Process of the {@link ProcessGuard}: kills the programs that are still running when the gateway exits. It reads a
 * line when a program has started (`+PID`) and when it has exited (`-PID`).
 */
import { createInterface } from 'node:readline';

/** Idle time after which the guard exits. Longer than the back-off of a source. */
const IDLE_MS = 30_000;

const running = new Set<number>();

// A service manager signals all processes of the gateway. The guard must outlive the others, which may take a while to
// exit.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

let idle = setTimeout(() => process.exit(0), IDLE_MS);

const lines = createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const pid = Number(line.slice(1));
  if (line.startsWith('+')) running.add(pid);
  else running.delete(pid);
  clearTimeout(idle);
  if (running.size === 0) idle = setTimeout(() => process.exit(0), IDLE_MS);
});

// The pipe closes when the gateway exits, even if it is killed.
lines.on('close', () => {
  for (const pid of running) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The program has already exited.
    }
  }
  process.exit(0);
});

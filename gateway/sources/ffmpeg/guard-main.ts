/**
 * The guard's process: kills the programs that the gateway has started and has not ended before its own end. It reads a line
 * when a program starts (`+PID`) and one when it has ended (`-PID`).
 */
import { createInterface } from 'node:readline';

/** Without anything to guard for so long, it ends. Longer than a source rests before it is opened again. */
const IDLE_MS = 30_000;

const running = new Set<number>();

// A service manager signals all processes of the gateway, and the others may take a while to end.
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

// However the gateway ends, its end of the pipe closes.
lines.on('close', () => {
  for (const pid of running) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  process.exit(0);
});

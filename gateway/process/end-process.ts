/**
 * Ends the process with 0 as soon as nothing runs in it any more, and in any case within `limitMs`.
 *
 * `process.exit()` is not used, because it waits for the work on libuv's thread pool (a decode, a read of a file system that does not
 * answer), and no timer can run while it waits. Instead the event loop runs empty; if it has not in time, the process is killed.
 *
 * @param target the process of the caller, which alone may end it.
 */
export function endProcess(target: NodeJS.Process, limitMs: number): void {
  target.exitCode = 0;
  const timer = setTimeout(() => killProcess(target), limitMs);
  timer.unref();
}

/** Ends the process immediately, whatever runs in it, as SIGTERM does: service managers count that as a clean end, unlike SIGKILL. */
export function killProcess(target: NodeJS.Process): void {
  // A signal runs no handlers of 'exit', which remove files.
  target.emit('exit', 0);
  target.removeAllListeners('SIGTERM');
  target.kill(target.pid, 'SIGTERM');
  target.kill(target.pid, 'SIGKILL');
  // Process 1 of a container is immune to its own signals.
  target.exit(0);
}

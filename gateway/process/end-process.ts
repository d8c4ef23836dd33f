import type { Logger } from '../../shared/logger.ts';

/**
 * Ends the process with exit status 0 as soon as the event loop is empty, and in any case within `limitMs`.
 *
 * `process.exit()` alone is not enough: it waits for work on libuv's thread pool (a decode, a read from a hanging file
 * system), and no timer can fire in the meantime. Instead, the event loop runs until it is empty. Then `process.exit()`
 * ends the process without the clean-up of native modules: zeromq.js would terminate its contexts, which can block.
 *
 * @param target the caller's `process`.
 * @param log called with the active resources when the limit is reached.
 */
export function endProcess(target: NodeJS.Process, limitMs: number, log: Logger): void {
  target.exitCode = 0;
  target.once('beforeExit', () => target.exit(0));
  const timer = setTimeout(() => {
    log.error(
      {},
      `killed because it was still running ${limitMs} ms after the signal: ${target.getActiveResourcesInfo().join(', ')}`,
    );
    killProcess(target);
  }, limitMs);
  timer.unref();
}

/** Ends the process immediately, with SIGTERM, which unlike SIGKILL counts as a clean exit for service managers. */
export function killProcess(target: NodeJS.Process): void {
  // Called explicitly, because a signal does not run the 'exit' handlers, which remove files.
  target.emit('exit', 0);
  target.removeAllListeners('SIGTERM');
  target.kill(target.pid, 'SIGTERM');
  target.kill(target.pid, 'SIGKILL');
  // Process 1 of a container ignores its own signals.
  target.exit(0);
}

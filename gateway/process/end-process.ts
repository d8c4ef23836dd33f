/**
 * Ends the process with 0 as soon as nothing runs in it any more, and in any case within `limitMs`.
 *
 * `process.exit()` alone is not enough: it waits for the work on libuv's thread pool (a decode, a read from a file system that does not
 * answer), and no timer can fire meanwhile. Instead the event loop runs until it is empty. Then `process.exit()` ends the process without the
 * clean-up of native modules: zeromq.js would terminate its contexts, which can block.
 *
 * @param target the process of the caller, which alone may end it.
 * @param log told what was still running when the limit was reached.
 */
export function endProcess(target: NodeJS.Process, limitMs: number, log: (message: string) => void): void {
  target.exitCode = 0;
  target.once('beforeExit', () => target.exit(0));
  const timer = setTimeout(() => {
    log(`gearway: still running ${limitMs} ms after the signal, and ended by force: ${target.getActiveResourcesInfo().join(', ')}`);
    killProcess(target);
  }, limitMs);
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

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** Minimum number of free file descriptors: loading modules needs about 110, and sources and clients need more. */
const MIN_FREE_DESCRIPTORS = 160;

/**
 * Checks that this process may open enough files and sockets. Otherwise modules fail to load with a stack trace of
 * Node's loader, and libzmq aborts the process if it cannot open a socket.
 *
 * @throws {Error} whose message has the remedy.
 */
export function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < MIN_FREE_DESCRIPTORS) opened.push(openSync(devNull, 'r'));
  } catch (error) {
    const text = `only ${opened.length} file descriptors are free, expected at least ${MIN_FREE_DESCRIPTORS}`;
    throw new Error(`${text}: raise the limit (ulimit -n 1024)`, { cause: error });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** File descriptors that must be free at the start: loading the modules needs about 50, and then there are a source and its clients. */
const MIN_FREE_DESCRIPTORS = 64;

/**
 * Checks that this process may open enough files and sockets. Without it, modules fail to load with a stack trace of Node's loader,
 * and libzmq aborts the process when it can open no socket.
 *
 * @throws {Error} with one sentence that says what to run.
 */
export function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < MIN_FREE_DESCRIPTORS) opened.push(openSync(devNull, 'r'));
  } catch (error) {
    throw new Error(`only ${opened.length} more files can be opened, expected at least ${MIN_FREE_DESCRIPTORS}: raise the limit of file descriptors (ulimit -n 1024)`, { cause: error });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { checkDescriptors } from './process/descriptors.ts';

// V8 counts the bytes of frames as growth of its heap, which is small. By its default, they cause several full garbage
// collections per second, which take up to half of the CPU time. 200 % makes them rarer without using more memory.
setFlagsFromString('--heap-growing-percent=200');

// Node loads several modules at a time. With too few descriptors, this fails with a stack trace of its loader.
// Therefore, this file imports only the check, and loads everything else after it.
try {
  checkDescriptors();
  await import('./config/command-line.ts');
} catch (error) {
  process.stderr.write(`gearway: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

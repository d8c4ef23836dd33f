#!/usr/bin/env node
import { checkDescriptors } from './process/descriptors.ts';

// Modules are loaded several at a time: with too few descriptors that fails, with a stack trace of Node's loader. So
// this file loads only the check, and everything else after it.
try {
  checkDescriptors();
  await import('./config/command-line.ts');
} catch (error) {
  process.stderr.write(`gearway: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

#!/usr/bin/env node
import { checkDescriptors } from './process/descriptors.ts';

// Node loads several modules at a time. With too few descriptors, this fails with a stack trace of its loader.
// Therefore, this file imports only the check, and loads everything else after it.
try {
  checkDescriptors();
  await import('./config/command-line.ts');
} catch (error) {
  process.stderr.write(`gearway: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

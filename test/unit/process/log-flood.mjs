/**
 * A process of line-writer.test.ts, with the built code: floods its standard error for a while, then writes its
 * measurements to the file in its argument.
 */
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { LineWriter } from '../../../dist/gateway/process/line-writer.js';

const [, , file = ''] = process.argv;
const writer = new LineWriter(process.stderr);
let longestTurnMs = 0;
for (let turn = 0; turn < 100; turn += 1) {
  const from = performance.now();
  for (let line = 0; line < 100; line += 1) writer.write('x'.repeat(199));
  longestTurnMs = Math.max(longestTurnMs, performance.now() - from);
  await setImmediate();
}
writeFileSync(file, JSON.stringify({ longestTurnMs, waitingBytes: process.stderr.writableLength, lost: writer.lost }));
process.exit(0);

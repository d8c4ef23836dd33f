/**
 * A process of program.test.ts, with the built code: runs two endless programs with a guard, and a third one when it
 * reads a line.
 */
import { ProcessGuard } from '../../../../dist/gateway/sources/ffmpeg/process-guard.js';
import { Program } from '../../../../dist/gateway/sources/ffmpeg/program.js';

const DEAF =
  'for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => 0); setInterval(() => 0, 1000)';

class TellingGuard extends ProcessGuard {
  watch(pid) {
    const release = super.watch(pid);
    console.log(`runs ${pid}`);
    return release;
  }
}

const guard = new TellingGuard();

function start() {
  new Program({ command: process.execPath, args: ['-e', DEAF], guard, onOutput: () => undefined });
}

start();
start();
process.stdin.once('data', start);

/**
 * A process of program.test.ts: runs two endless programs with a guard, and a third one when it reads a line.
 */
import { ProcessGuard } from '../../../../gateway/sources/ffmpeg/process-guard.ts';
import { Program } from '../../../../gateway/sources/ffmpeg/program.ts';

const DEAF =
  'for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => 0); setInterval(() => 0, 1000)';

class TellingGuard extends ProcessGuard {
  override watch(pid: number): () => void {
    const release = super.watch(pid);
    console.log(`runs ${pid}`);
    return release;
  }
}

const guard = new TellingGuard();

function start(): void {
  new Program({ command: process.execPath, args: ['-e', DEAF], guard, onOutput: () => undefined });
}

start();
start();
process.stdin.once('data', start);

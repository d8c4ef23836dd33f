import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FfmpegTools } from '../../../../gateway/sources/ffmpeg/ffmpeg-tools.ts';
import { ProcessGuard } from '../../../../gateway/sources/ffmpeg/process-guard.ts';
import { Program, type ProgramOptions } from '../../../../gateway/sources/ffmpeg/program.ts';
import { runProgram } from '../../../../gateway/sources/ffmpeg/run-program.ts';
import { Child } from '../../../helpers/child.ts';
import { isRunning } from '../../../helpers/is-running.ts';

/** A guard without a process: the programs here are killed by the test. */
class NoGuard extends ProcessGuard {
  readonly watched: number[] = [];
  readonly released: number[] = [];

  override watch(pid: number): () => void {
    this.watched.push(pid);
    return () => void this.released.push(pid);
  }
}

/** A Node program, with its output so far. */
function run(
  code: string,
  options: Partial<ProgramOptions> = {},
): { program: Program; output: () => string; guard: NoGuard } {
  const chunks: Buffer[] = [];
  const guard = new NoGuard();
  const program = new Program({
    command: process.execPath,
    args: ['-e', code],
    guard,
    onOutput: (chunk) => chunks.push(chunk),
    ...options,
  });
  return { program, output: () => Buffer.concat(chunks).toString(), guard };
}

describe('Program', () => {
  it('passes arguments unmodified, and delivers all output before it reports the end', async () => {
    const words = ['a b', '"q"', "'s'", ';', '$HOME', '`id`', '-i', '*', 'é☃', ''];
    const { program, output, guard } = run('', {
      args: [
        '-e',
        'process.stdout.write(JSON.stringify(process.argv.slice(1)) + "x".repeat(300000)); process.exitCode = 3',
        '--',
        ...words,
      ],
    });
    expect(await program.ended).toEqual({ kind: 'exited', code: 3 });
    expect(output()).toBe(JSON.stringify(words) + 'x'.repeat(300_000));
    expect(guard.released).toEqual(guard.watched);
    expect(guard.watched).toHaveLength(1);
  });

  it('writes to its standard input', async () => {
    const { program, output } = run('process.stdin.pipe(process.stdout)', { input: 'a list\n' });
    await program.ended;
    expect(output()).toBe('a list\n');
  });

  it('continues if a program does not read its input', async () => {
    const { program } = run('process.stdin.destroy()', { input: 'x'.repeat(1 << 20) });
    expect(await program.ended).toEqual({ kind: 'exited', code: 0 });
  });

  it('keeps the last lines of its errors', async () => {
    const { program } = run('for (let i = 0; i < 2000; i += 1) console.error(`line ${i}`)');
    await program.ended;
    expect(program.errorLines().at(-1)).toBe('line 1999');
  });

  it('uses no memory for endless errors, and still receives output', async () => {
    const guard = new NoGuard();
    const code = 'process.stdout.write("here"); for (;;) require("node:fs").writeSync(2, "error\\n".repeat(10000))';
    const program = await new Promise<Program>((resolve) => {
      const flooding: Program = new Program({
        command: process.execPath,
        args: ['-e', code],
        guard,
        onOutput: () => resolve(flooding),
      });
    });
    await program.close();
    expect(program.errorText().length).toBeLessThan(64 << 10);
  });

  it('reports an unknown program name', async () => {
    const { program, guard } = run('', { command: 'gearway-no-such-program' });
    expect(await program.ended).toEqual({ kind: 'missing' });
    expect(guard.watched).toEqual([]);
    await program.close();
  });

  it('kills a suspended program, and delivers no output afterwards', async () => {
    const { program, guard, output } = run('setInterval(() => process.stdout.write("x"), 1)');
    const [pid] = guard.watched;
    process.kill(pid!, 'SIGSTOP');
    await program.close();
    const before = output();
    expect(await program.ended).toEqual({ kind: 'killed', signal: 'SIGKILL' });
    expect(isRunning(pid!)).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(output()).toBe(before);
    await program.close();
  });
});

describe('runProgram', () => {
  const guard = new NoGuard();

  it('returns the output', async () => {
    expect(
      await runProgram({
        command: process.execPath,
        args: ['-e', 'console.log("out"); console.error("bad")'],
        guard,
        timeoutMs: 9000,
      }),
    ).toEqual({
      end: { kind: 'exited', code: 0 },
      hasTimedOut: false,
      output: 'out\n',
      errorText: 'bad\n',
      errorLines: ['bad'],
    });
  });

  it('kills a program that takes too long', async () => {
    expect(
      await runProgram({ command: process.execPath, args: ['-e', 'setInterval(() => 0, 1000)'], guard, timeoutMs: 50 }),
    ).toMatchObject({ end: { kind: 'killed' }, hasTimedOut: true });
  });

  it('kills a program that is no longer needed', async () => {
    const closing = new AbortController();
    const running = runProgram({
      command: process.execPath,
      args: ['-e', 'setInterval(() => 0, 1000)'],
      guard,
      timeoutMs: 9000,
      signal: closing.signal,
    });
    closing.abort();
    expect(await running).toMatchObject({ end: { kind: 'killed' }, hasTimedOut: false });
    expect(
      await runProgram({
        command: process.execPath,
        args: ['-e', 'setInterval(() => 0, 1000)'],
        guard,
        timeoutMs: 9000,
        signal: closing.signal,
      }),
    ).toMatchObject({ end: { kind: 'killed' } });
  });
});

describe('FfmpegTools', () => {
  it('explains how to install FFmpeg if it is not on the PATH, and checks again the next time', async () => {
    const tools = new FfmpegTools('darwin');
    const path = process.env['PATH'];
    process.env['PATH'] = '/nonexistent';
    try {
      await expect(tools.version()).rejects.toMatchObject({
        code: 'ffmpeg-missing',
        message: 'ffmpeg is not installed, or not in the PATH; install it with: brew install ffmpeg',
      });
      await expect(tools.version()).rejects.toMatchObject({ code: 'ffmpeg-missing' });
    } finally {
      process.env['PATH'] = path;
    }
  });
});

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

describe('ProcessGuard', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    "leaves no process behind after the gateway's %s",
    async (signal) => {
      await using gateway = new Child(process.execPath, ['test/unit/sources/ffmpeg/guarded-programs.mjs'], {
        cwd: ROOT,
      });
      const has = (count: number) => (): true | undefined => (gateway.stdout.all.length >= count ? true : undefined);
      await gateway.stdout.waitFor('two programs', has(2));
      gateway.stdin.write('\n');
      await gateway.stdout.waitFor('a third program', has(3));
      const pids = gateway.stdout.all.flatMap((line) => /^runs (\d+)$/.exec(line)?.[1] ?? []).map(Number);
      expect(pids).toHaveLength(3);
      gateway.signal(signal);
      await gateway.exited;
      // They end within 2 s (test/interop/ffmpeg.test.ts).
      while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  );
});

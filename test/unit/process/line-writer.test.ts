import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { LineWriter } from '../../../gateway/process/line-writer.ts';
import { Child } from '../../helpers/child.ts';

/** Runs a command whose standard error is a pipe without a reader. */
const UNREAD_PIPE = `
import os, subprocess, sys
reading, writing = os.pipe()
sys.exit(subprocess.call(sys.argv[1:], stderr=writing))
`;

/** Runs a command with a closed pipe. */
const CLOSED_PIPE = UNREAD_PIPE.replace('sys.exit', 'os.close(reading)\nsys.exit');

/** Runs a command with a terminal. */
const UNREAD_TERMINAL = `
import os, pty, subprocess, sys
master, terminal = pty.openpty()
sys.exit(subprocess.call(sys.argv[1:], stderr=terminal))
`;

/** A stream whose writing can be stopped, and made to fail. */
class TestStream extends Writable {
  readonly lines: string[] = [];
  failure: Error | null = null;
  #waiting: (() => void) | null = null;
  isStopped = false;

  constructor() {
    super({ highWaterMark: 16, decodeStrings: false });
  }

  /** Like Node's standard streams, which can be written to again after a failure. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error);
    (this as unknown as { _undestroy(): void })._undestroy();
  }

  override _write(chunk: string, _encoding: string, done: (error?: Error) => void): void {
    const finish = (): void => {
      if (this.failure === null) this.lines.push(chunk);
      done(this.failure ?? undefined);
    };
    if (this.isStopped) this.#waiting = finish;
    else finish();
  }

  resume(): void {
    this.isStopped = false;
    this.#waiting?.();
  }
}

describe('LineWriter', () => {
  it('writes lines', () => {
    const stream = new TestStream();
    new LineWriter(stream).write('one');
    expect(stream.lines).toEqual(['one\n']);
  });

  it('keeps a bounded amount for a reader that has stopped, and reports the number of lost lines', async () => {
    const stream = new TestStream();
    const writer = new LineWriter(stream, { maxWaitingBytes: 100 });
    stream.isStopped = true;
    for (let index = 0; index < 1000; index += 1) writer.write('x'.repeat(49));
    expect(stream.writableLength).toBeLessThanOrEqual(150);
    expect(writer.lost).toBe(997);
    const drained = new Promise((resolve) => stream.once('drain', resolve));
    stream.resume();
    await drained;
    writer.write('next');
    await new Promise(setImmediate);
    expect(stream.lines.slice(3)).toEqual([expect.stringMatching(/^log: 997 lines were lost[^\n]*\n$/), 'next\n']);
    expect(writer.lost).toBe(0);
  });

  it('continues after failures', async () => {
    const stream = new TestStream();
    const writer = new LineWriter(stream);
    for (const code of ['EPIPE', 'ENOSPC', 'EIO']) {
      stream.failure = Object.assign(new Error(code), { code });
      writer.write(code);
      await new Promise(setImmediate);
    }
    expect(writer.lost).toBe(3);
    stream.failure = null;
    writer.write('again');
    await new Promise(setImmediate);
    expect(stream.lines).toEqual([expect.stringMatching(/log: 3 lines were lost/), 'again\n']);
  });
});

describe('LineWriter on standard error', () => {
  const flood = [process.execPath, fileURLToPath(new URL('log-flood.mjs', import.meta.url))];

  /** 2 MB of lines for a standard error that a shell script sets up around `"$@"`. */
  async function run(
    command: string,
    args: readonly string[],
  ): Promise<{ code: number | null; longestTurnMs: number; waitingBytes: number; lost: number }> {
    await using child = new Child(command, [...args, ...flood, join(folder, 'result.json')], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    });
    const code = await child.exited;
    return {
      code,
      ...(JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as {
        longestTurnMs: number;
        waitingBytes: number;
        lost: number;
      }),
    };
  }

  const folder = mkdtempSync(join(tmpdir(), 'gearway-log-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const shell = (script: string): [string, string[]] => ['sh', ['-c', script, 'sh']];

  it.each([
    ['a full disk', ...shell('exec "$@" 2>/dev/full'), { lost: true, waits: false }],
    ['a reader that has exited', 'python3', ['-c', CLOSED_PIPE], { lost: true, waits: false }],
    ['a reader that has stopped', 'python3', ['-c', UNREAD_PIPE], { lost: true, waits: true }],
    ['a terminal that has stopped', 'python3', ['-c', UNREAD_TERMINAL], { lost: true, waits: true }],
    ['a standard error that is closed', ...shell('exec "$@" 2>&-'), { lost: false, waits: false }],
  ])(
    'never ends the process, and never waits: %s',
    async (_name, command, args, { lost, waits }) => {
      const result = await run(command, args);
      expect(result.code).toBe(0);
      expect(result.longestTurnMs).toBeLessThan(1000);
      expect(result.lost > 0).toBe(lost);
      expect(result.waitingBytes > 0).toBe(waits);
      expect(result.waitingBytes).toBeLessThan(300_000);
    },
    30_000,
  );
});

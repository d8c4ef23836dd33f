import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { exampleLines, ROOT } from '../helpers/example-lines.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { peers } from '../helpers/peers.ts';

const run = promisify(execFile);

/** Runs a line with this gateway in the place of the usual address. @returns what it printed. */
async function runLine(line: string, gateway: GatewayProcess): Promise<string> {
  const here = line
    .replaceAll('http://127.0.0.1:8080', await gateway.url)
    .replace(/^promtool /, `${peers().promtool} `);
  const { stdout } = await run('bash', ['-c', `set -o pipefail; ${here}`], { cwd: ROOT });
  return stdout;
}

/** What the example lines of docs/operations.md print, in order. */
const PRINTED: readonly RegExp[] = [
  /^\{"status":"ok"\}$/,
  /^\{"status":"ready","streams":1\}$/,
  /^gearway_stream_frames_received_total\{stream="main"\} \d+$/m,
  /SUCCESS: 10 rules found/,
  /SUCCESS/,
];

describe('docs/operations.md', () => {
  it('has example lines that print what it says', async () => {
    await using gateway = await GatewayProcess.start();
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    const lines = exampleLines('operations.md');
    expect(lines).toHaveLength(PRINTED.length);
    for (const [index, line] of lines.entries()) expect(await runLine(line, gateway), line).toMatch(PRINTED[index]!);
  });
});

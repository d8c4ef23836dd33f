import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { blocks, exampleLines, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Folder } from '../helpers/media.ts';
import { peers } from '../helpers/peers.ts';

const run = promisify(execFile);

/** Runs a command with the address of this gateway. @returns its output. */
async function runLine(line: string, gateway: GatewayProcess): Promise<string> {
  const here = line
    .replaceAll('http://127.0.0.1:8080', await gateway.url)
    .replace(/^promtool /, `${peers().promtool} `);
  const { stdout } = await run('bash', ['-c', `set -o pipefail; ${here}`], {
    cwd: ROOT,
    env: { ...process.env, key: await gateway.key },
  });
  return stdout;
}

/** Output of the example commands in docs/operations.md, in order, except the one that starts a gateway. */
const PRINTED: readonly RegExp[] = [
  /^\{"status":"ok"\}$/,
  /^\{"status":"ready","streams":1\}$/,
  /^gearway_stream_frames_received_total\{stream="main"\} \d+$/m,
  /^\[\{"time":"[^"]+","kind":"change","principal":"administrator key",.*"status":201\}\]$/,
  /SUCCESS: 11 rules found/,
  /SUCCESS/,
];

describe('docs/operations.md', () => {
  it('has example commands with the documented output', async () => {
    await using folder = await Folder.create();
    const config = await folder.write(
      'gateway.yaml',
      'streams:\n  main:\n    source: test-pattern:?size=320x180&fps=15\n',
    );
    const all = exampleLines('operations.md').filter((line) => !line.includes('webhook-secret'));
    const start = all.filter((line) => line.startsWith('gearway '));
    expect(start).toEqual(['gearway --config gateway.yaml --audit-log /var/log/gearway/audit.jsonl']);
    await using gateway = await GatewayProcess.start('--config', config, '--audit-log', folder.file('audit.jsonl'));
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    const lines = all.filter((line) => !start.includes(line));
    expect(lines).toHaveLength(PRINTED.length);
    for (const [index, line] of lines.entries()) {
      if (line.includes('/api/audit')) {
        const client = `${await gateway.url}/api/streams/main/clients`;
        await runLine(
          `curl -sf -H "Authorization: Bearer $key" --json '{"address":"tcp://127.0.0.1:1"}' ${client}`,
          gateway,
        );
      }
      expect(await runLine(line, gateway), line).toMatch(PRINTED[index]!);
    }
  });

  it('has a webhook and a receiver that accepts only messages with the right signature', async () => {
    const [port = 0] = await freePorts(1);
    const here = (text: string): string => text.replaceAll('9000', String(port));
    await using folder = await Folder.create();
    const [makeSecret = '', startReceiver = ''] = exampleLines('operations.md').filter((line) =>
      line.includes('webhook-secret'),
    );
    const [program = ''] = blocks('operations.md', 'python');
    const [webhooks = ''] = blocks('operations.md', 'yaml');
    const path = await folder.write('receiver.py', here(program));
    const cwd = path.slice(0, -'receiver.py'.length);
    await run('bash', ['-c', makeSecret], { cwd });
    const config = await folder.write(
      'gateway.yaml',
      `streams:\n  door:\n    source: test-pattern:?size=320x180&fps=15\n${here(webhooks)}`,
    );
    await using receiver = new Child('bash', ['-c', `exec env ${startReceiver}`], { cwd });
    {
      await using _gateway = await GatewayProcess.start('--config', config);
      await receiver.stdout.waitFor('the event', (line) =>
        line === 'state door live: frames arrive' ? line : undefined,
      );
    }
    const forged = await fetch(here('http://127.0.0.1:9000/gearway'), {
      method: 'POST',
      headers: {
        'webhook-id': 'a',
        'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
        'webhook-signature': 'v1,',
      },
      body: '{}',
    });
    expect(forged.status).toBe(401);
  });
});

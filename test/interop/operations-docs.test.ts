import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Child } from '../helpers/child.ts';
import { blocks, exampleLines, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Folder } from '../helpers/media.ts';
import { peers } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

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

/** Names of the keys of JSON lines, and the kinds of their values. */
function shape(lines: string): unknown {
  const kinds = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(kinds)
      : value !== null && typeof value === 'object'
        ? Object.fromEntries(
            Object.entries(value)
              .toSorted(([a], [b]) => a.localeCompare(b))
              .map(([key, each]) => [key, kinds(each)]),
          )
        : typeof value;
  return lines
    .trim()
    .split('\n')
    .map((line) => kinds(JSON.parse(line)));
}

/** Output of the example commands in docs/operations.md, in order, except the one that starts a gateway. */
const PRINTED: readonly RegExp[] = [
  /^\{"status":"ok"\}$/,
  /^\{"status":"ready","streams":1\}$/,
  /^gearway_stream_frames_received_total\{stream="main"\} \d+$/m,
  /^\[\{"time":"[^"]+","kind":"change","principal":"administrator key",.*"status":201\}\]$/,
  /SUCCESS: 12 rules found/,
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

  it('shows what /readyz, the log and the audit log contain', async () => {
    const [ready = '', entry = '', audit = ''] = blocks('operations.md', 'json');
    const [text = ''] = blocks('operations.md', '');
    await using folder = await Folder.create();
    const [free] = await freePorts(1);
    const config = await folder.write(
      'gateway.yaml',
      `streams:\n  door: {source: "mjpeg:http://127.0.0.1:${free}/"}\n  yard: {source: "test-pattern:?size=320x180&fps=15"}\n`,
    );
    const file = folder.file('audit.jsonl');
    await using gateway = await GatewayProcess.start('--config', config, '--log-format', 'json', '--audit-log', file);
    const url = await gateway.url;
    await expect.poll(async () => shape(await (await fetch(`${url}/readyz`)).text())).toEqual(shape(ready));
    await using viewer = await WebViewer.open(`${url}/streams/yard`, { name: 'Console' });
    await viewer.return({ kind: 'value', value: 1 });
    await gateway.stderr.waitFor('the entry', (line) =>
      line.includes('"event":"connect"') && JSON.stringify(shape(line)) === JSON.stringify(shape(entry))
        ? line
        : undefined,
    );
    const changed = await fetch(`${url}/api/streams/gate?persist=true`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${await gateway.key}`, 'content-type': 'application/json' },
      body: '{"source": "push:"}',
    });
    expect(changed.status).toBe(201);
    const wanted = shape(audit) as unknown[];
    await expect.poll(async () => shape(await readFile(file, 'utf8'))).toEqual(expect.arrayContaining(wanted));
    await using second = await GatewayProcess.start('--source', 'door=test-pattern:?size=320x180&fps=15');
    await using _viewer = await WebViewer.open(`${await second.url}/streams/door`, { name: 'Console' });
    const [connect = ''] = text.split('\n');
    const general = (line: string): string => line.replace(/^\S+/, 'TIME').replace(/\d+\.\d+\.\d+\.\d+/, 'ADDRESS');
    await second.stderr.waitFor('its line', (line) => (general(line) === general(connect) ? line : undefined));
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

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import type { AuditEntry } from '../../../shared/status.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const OPTIONS: GatewayOptions = { port: 0, source: 'push:', token: 'adm1n', viewToken: 'w4tch' };

describe('GET /api/audit', () => {
  it('lists return data and changes, including refused ones, with sender and result, like the file', async () => {
    const file = join(folder, 'audit.jsonl');
    await using gateway = await createGateway({ ...OPTIONS, auditLog: file });
    const { url } = await gateway.listen();
    const send = async (method: string, path: string, token: string, body?: object): Promise<Response> =>
      fetch(`${url}api/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const entries = async (): Promise<AuditEntry[]> =>
      (await send('GET', 'audit', 'adm1n')).json() as Promise<AuditEntry[]>;

    await send('PUT', 'streams/yard', 'adm1n', { source: 'push:' });
    await send('PUT', 'streams/yard', 'adm1n', { source: 'ftp:' });
    await send('DELETE', 'streams/yard', 'w4tch');
    await send('DELETE', 'streams/main/clients/web-9?reason=late', 'adm1n');
    await using viewer = await WebViewer.open(`${url}streams/main`, { token: 'adm1n' });
    await viewer.return({ kind: 'value', value: 7 });
    await expect.poll(async () => (await entries()).length).toBe(4);

    const by = { principal: 'token', address: '127.0.0.1', kind: 'change', client: null, query: null };
    expect(await entries()).toMatchObject([
      { ...by, request: 'PUT /api/streams/:name', stream: 'yard', status: 201 },
      { ...by, request: 'PUT /api/streams/:name', stream: 'yard', status: 400 },
      {
        ...by,
        request: 'DELETE /api/streams/:name/clients/:id',
        stream: 'main',
        client: 'web-9',
        query: 'reason=late',
        status: 404,
      },
      { kind: 'return', stream: 'main', port: 6000, client: 'web-1', values: 1 },
    ]);
    expect((await send('GET', 'audit', 'w4tch')).status).toBe(403);
    const kept = await entries();
    await gateway.close();
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as AuditEntry)).toEqual(kept);
    expect(lines.join()).not.toMatch(/adm1n|w4tch/);
  });

  it('records a change whose sender has disconnected before the response', async () => {
    await using gateway = await createGateway(OPTIONS);
    const { url } = await gateway.listen();
    const body = JSON.stringify({ source: 'push:' });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.end(
      `PUT /api/streams/yard HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer adm1n\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    await expect
      .poll(async () => (await fetch(`${url}api/audit`, { headers: { authorization: 'Bearer adm1n' } })).json())
      .toMatchObject([{ request: 'PUT /api/streams/:name', stream: 'yard' }]);
  });

  it('refuses a file that cannot be written when the gateway starts', async () => {
    await expect(createGateway({ ...OPTIONS, auditLog: join(folder, 'none', 'audit.jsonl') })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });
});

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { readWebFiles, serveWebFiles } from '../../../gateway/http/web-files.ts';

const ROOT = fileURLToPath(new URL('../../../dist/web/', import.meta.url));
const names = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((name) => /\.[a-z]+$/.test(name));

async function start(): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway({ port: 0 });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

/** One request: does not follow redirects, decompress the response or normalize the path. */
async function get(
  url: string,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
  const { hostname, port } = new URL(url);
  const [response] = (await once(
    request({ hostname, port, path, headers, method, agent: false }).end(),
    'response',
  )) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

describe('built files', () => {
  it('are served byte for byte with their type, plain and compressed', async () => {
    await using gateway = await start();
    expect(names.length).toBeGreaterThan(20);
    const types: Record<string, string> = {
      html: 'text/html',
      js: 'text/javascript',
      css: 'text/css',
      map: 'application/json',
    };
    for (const name of names) {
      const content = readFileSync(`${ROOT}${name}`);
      const plain = await get(gateway.url, `/${name}`);
      expect(plain.status, name).toBe(200);
      expect(plain.body.equals(content), name).toBe(true);
      expect(plain.headers['content-type'], name).toBe(
        `${types[name.slice(name.lastIndexOf('.') + 1)]}; charset=utf-8`,
      );
      expect(plain.headers['content-length']).toBe(String(content.byteLength));
      expect(plain.headers['cache-control']).toMatch(name.startsWith('assets') ? /immutable/ : /^no-cache$/);
      const compressed = await get(gateway.url, `/${name}`, { 'accept-encoding': 'br, gzip' });
      expect(compressed.headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(compressed.body).equals(content), name).toBe(true);
      expect(compressed.headers.vary).toContain('accept-encoding');
      expect(compressed.headers.etag).not.toBe(plain.headers.etag);
    }
  }, 30_000);

  it('are pages at /, /viewer and /publish', async () => {
    await using gateway = await start();
    for (const [path, name] of [
      ['/', 'index.html'],
      ['/viewer', 'viewer.html'],
      ['/publish', 'publish.html'],
      ['/viewer?stream=main', 'viewer.html'],
    ] as const) {
      expect((await get(gateway.url, path)).body.equals(readFileSync(`${ROOT}${name}`)), path).toBe(true);
    }
  });

  it('are those of the start, even if a build has removed or replaced them in the meantime', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-web-'));
    cpSync(ROOT, folder, { recursive: true });
    const app = fastify();
    serveWebFiles(app, readWebFiles(folder));
    rmSync(folder, { recursive: true });
    for (const name of names) {
      const { statusCode, rawPayload } = await app.inject(`/${name}`);
      expect({ name, statusCode }).toEqual({ name, statusCode: 200 });
      expect(rawPayload.equals(readFileSync(`${ROOT}${name}`)), name).toBe(true);
    }
    expect((await app.inject('/')).statusCode).toBe(200);
    await app.close();
  });

  it('are answered with 304 for their own ETag, and with 200 for any other', async () => {
    await using gateway = await start();
    for (const encoding of ['identity', 'gzip']) {
      const {
        headers: { etag = '' },
      } = await get(gateway.url, '/gearway-viewer.js', { 'accept-encoding': encoding });
      expect(etag).toMatch(/^"[\w-]+"$/);
      for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const { status, body, headers } = await get(gateway.url, '/gearway-viewer.js', {
          'accept-encoding': encoding,
          'if-none-match': tag,
        });
        expect({ status, bytes: body.byteLength, etag: headers.etag }, tag).toEqual({ status: 304, bytes: 0, etag });
      }
      for (const tag of ['"other"', etag.slice(1, -1), ''])
        expect(
          (await get(gateway.url, '/gearway-viewer.js', { 'accept-encoding': encoding, 'if-none-match': tag })).status,
          tag,
        ).toBe(200);
    }
  });

  it('are compressed only for those that accept it', async () => {
    await using gateway = await start();
    for (const [accept, encoding] of [
      ['gzip', 'gzip'],
      ['deflate, gzip;q=0.5', 'gzip'],
      ['*', 'gzip'],
      ['gzip;q=0', undefined],
      ['br', undefined],
      ['x-gzipped', undefined],
    ] as const) {
      expect(
        (await get(gateway.url, '/gearway-viewer.js', { 'accept-encoding': accept })).headers['content-encoding'],
        accept,
      ).toBe(encoding);
    }
  });

  it('respond to HEAD with the length and no body', async () => {
    await using gateway = await start();
    const { status, headers, body } = await get(gateway.url, '/gearway-viewer.js', {}, 'HEAD');
    expect({ status, length: headers['content-length'], bytes: body.byteLength }).toEqual({
      status: 200,
      length: String(readFileSync(`${ROOT}gearway-viewer.js`).byteLength),
      bytes: 0,
    });
  });

  it('give no access to files outside of their folder', async () => {
    await using gateway = await start();
    for (const path of [
      '/../package.json',
      '/..%2fpackage.json',
      '/%2e%2e/gateway/main.js',
      '/assets/../../gateway/main.js',
      '/assets',
      '/assets/',
      '//index.html',
      '/gearway-viewer.js/',
      '/gearway-viewer.js%00',
      '/..\\..\\package.json',
      '/.git/config',
    ]) {
      expect((await get(gateway.url, path)).status, path).toBe(404);
    }
  });

  it('can be loaded by pages of any origin', async () => {
    await using gateway = await start();
    for (const name of [...names, '%67earway-viewer.js', '', 'viewer', 'publish']) {
      const { status, headers } = await get(gateway.url, `/${name}`, { origin: 'https://evil.example' });
      expect({ name, status, allowed: headers['access-control-allow-origin'] }).toEqual({
        name,
        status: 200,
        allowed: '*',
      });
    }
    // Similar, but different tags.
    for (const path of ['/gearway-nothing.js', '/gearway-viewer.js/../../api/streams'])
      expect((await get(gateway.url, path, { origin: 'https://evil.example' })).status, path).toBe(403);
  });
});

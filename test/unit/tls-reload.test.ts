import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../shared/logger.ts';
import { loadOptions } from '../../gateway/config/load-config.ts';
import { Reload } from '../../gateway/config/reload.ts';
import { createGateway } from '../../gateway/create-gateway.ts';
import { readCertificate } from '../helpers/certificate.ts';
import { checkOptions, formats } from '../helpers/config.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-tls-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Creates a certificate for this name and its key, in files with this prefix. */
function createCertificate(name: string): void {
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.cert`)];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}.example.org`];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-days', '2', ...files], {
    stdio: 'ignore',
  });
}

/** Copies a certificate to the gateway's files. */
function install(name: string): void {
  copyFileSync(join(folder, `${name}.key`), join(folder, 'key.pem'));
  copyFileSync(join(folder, `${name}.cert`), join(folder, 'cert.pem'));
}

async function open(port: number): Promise<TLSSocket & Disposable> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() });
}

/** The name in the certificate that the gateway presents. */
const nameOf = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject.CN;

async function ask(socket: TLSSocket, host = '127.0.0.1'): Promise<string> {
  socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

describe('a certificate that is replaced while the gateway runs', () => {
  it('is used for new connections while open ones continue; a certificate without its key changes nothing', async () => {
    for (const name of ['first', 'second', 'third']) createCertificate(name);
    install('first');
    const given = [
      { tls: { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }, port: 0, source: ['push:'] },
    ];
    const load = async (): ReturnType<typeof loadOptions> =>
      loadOptions(null, { formats, variables: {}, given, check: checkOptions });
    const { options, files } = await load();
    expect(files).toEqual([join(folder, 'cert.pem'), join(folder, 'key.pem')]);
    await using gateway = await createGateway(options);
    const { port } = await gateway.listen();
    const results: (string | null)[] = [];
    const reload = new Reload({
      file: null,
      files,
      gateway,
      load,
      onResult: (problem) => results.push(problem),
      log: SILENT_LOGGER,
    });
    await reload.start();
    try {
      using early = await open(port);
      expect(nameOf(early)).toBe('first');
      install('second');
      await expect
        .poll(async () => {
          using socket = await open(port);
          return nameOf(socket);
        })
        .toBe('second');
      expect(await ask(early)).toMatch(/^HTTP\/1\.1 200/);
      // The names in the new certificate are accepted, and only those.
      expect(await ask(early, 'second.example.org')).toMatch(/^HTTP\/1\.1 200/);
      expect(await ask(early, 'first.example.org')).toMatch(/^HTTP\/1\.1 421/);

      const problems = results.filter((problem) => problem !== null).length;
      copyFileSync(join(folder, 'third.cert'), join(folder, 'cert.pem'));
      await expect.poll(() => results.filter((problem) => problem !== null).length).toBeGreaterThan(problems);
      using socket = await open(port);
      expect(nameOf(socket)).toBe('second');
      expect(await ask(early)).toMatch(/^HTTP\/1\.1 200/);
    } finally {
      reload.close();
    }
  });

  it('requires a restart if TLS is enabled or disabled', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:', tls: readCertificate() });
    expect(await gateway.reconfigure({ port: 0, source: 'push:' })).toMatchObject({ needsRestart: ['tls'] });
  });
});

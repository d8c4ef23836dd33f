import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NatsServer } from '../../helpers/nats.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';
import { Here, served } from './here.ts';

/** A self-signed certificate for `localhost` and 127.0.0.1. */
const [CERT, KEY] = ['cert', 'key'].map((name) =>
  fileURLToPath(new URL(`../../helpers/certificate/${name}.pem`, import.meta.url)),
) as [string, string];
const TLS = ['--tls', '--tlscert', CERT, '--tlskey', KEY];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-nats-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;

async function file(name: string, text: string): Promise<string> {
  files += 1;
  const path = join(folder, `${files}-${name}`);
  await writeFile(path, text);
  return path;
}

/** Checks that a frame of one gateway reaches a viewer at another, and the first gateway gets its return data. */
async function expectService(address: (gateway: string) => string): Promise<void> {
  const start = (name: string, source: string): Promise<Here> => Here.at(address(name), { source });
  await using a = await start('A', 'door=push:');
  await using b = await start('B', 'yard=push:');
  await served(b.url);
  await using viewer = await Viewer.connect(b.url, 'door');
  expect((await viewer.hello()).port).toBe(6000);
  a.gateway.stream.push(JPEG, { message: { n: 1 } });
  const frame = await viewer.until('frame');
  expect(frame.message).toEqual({ n: 1 });
  expect(Buffer.compare(frame.payload, JPEG)).toBe(0);
  const returns = a.gateway.stream.returns();
  viewer.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: { speed: 1.5 } } });
  expect((await returns.next()).value).toMatchObject({ port: 6000, data: { speed: 1.5 } });
}

/** The code and message of a gateway that cannot join. */
async function refusal(address: string, withinMs = 9000): Promise<{ readonly code: string; readonly message: string }> {
  const before = performance.now();
  const error: unknown = await Here.at(address, { source: 'door=push:' }).then(
    async (gateway) => {
      await gateway[Symbol.asyncDispose]();
      return null;
    },
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'GearwayError' });
  const { code, message } = error as { code: string; message: string };
  // Retrying would not help, so the gateway does not wait for the timeout of the connection.
  expect(performance.now() - before).toBeLessThan(withinMs);
  return { code, message };
}

// Concurrent, because the tests mostly wait.
describe.concurrent('a cluster over a protected NATS server', () => {
  it('uses TLS with a private authority, and reports a certificate that it does not trust', async () => {
    await using nats = await NatsServer.start(...TLS);
    const host = `127.0.0.1:${nats.port}`;
    await expectService((name) => `tls://${host}?ca=${CERT}&gateway=${name}`);
    for (const address of [`tls://${host}`, `nats://${host}`]) {
      const { code, message } = await refusal(address);
      expect(code).toBe('cluster-unreachable');
      expect(message).toMatch(/self-signed certificate; name the file of its authority: \?ca=FILE$/);
    }
  });

  it('shows its certificate to a server that requires one', async () => {
    await using nats = await NatsServer.start(...TLS, '--tlsverify', '--tlscacert', CERT);
    const host = `127.0.0.1:${nats.port}`;
    await expectService((name) => `tls://${host}?ca=${CERT}&cert=${CERT}&key=${KEY}&gateway=${name}`);
    // The rejection is often lost, and looks like a server that does not respond.
    expect((await refusal(`tls://${host}?ca=${CERT}`, 40_000)).message).toMatch(/require.*: \?cert=FILE&key=FILE/);
  });

  it('does not send its password to a server without TLS if tls:// is given', async () => {
    await using nats = await NatsServer.start();
    const { code, message } = await refusal(`tls://ann:s3cret@127.0.0.1:${nats.port}`);
    expect(code).toBe('cluster-unreachable');
    expect(message).not.toContain('s3cret');
  });

  it('logs in with a password of any characters or a token, and reports wrong ones', async () => {
    const password = 'p@ss:w/rd?#%';
    await using withUser = await NatsServer.start('--user', 'gear way', '--pass', password);
    const login = `gear%20way:${encodeURIComponent(password)}`;
    await expectService((name) => `nats://${login}@127.0.0.1:${withUser.port}?gateway=${name}`);
    const wrong = await refusal(`nats://gear%20way:nope-s3cret@127.0.0.1:${withUser.port}`);
    expect(wrong).toMatchObject({
      code: 'cluster-unreachable',
      message: expect.stringMatching(/authorization/i) as string,
    });
    expect(wrong.message).toContain('check USER:PASSWORD@');
    expect(wrong.message).not.toContain('nope-s3cret');
    await using withToken = await NatsServer.start('--auth', 's3cret');
    await expectService((name) => `nats://s3cret@127.0.0.1:${withToken.port}?gateway=${name}`);
    expect((await refusal(`nats://127.0.0.1:${withToken.port}`)).code).toBe('cluster-unreachable');
  });

  it('needs no more permissions than docs/scale-out.md lists', async () => {
    const { permissions } = await documented();
    const path = await file(
      'nats.conf',
      `authorization { users: [ { user: gearway, password: s3cret, permissions: ${permissions} } ] }`,
    );
    await using nats = await NatsServer.start('--config', path);
    await expectService((name) => `nats://gearway:s3cret@127.0.0.1:${nats.port}?gateway=${name}`);
    expect(nats.log.filter((line) => line.includes('Violation'))).toEqual([]);
  });

  it.each(['"$KV.gearway.>", ', '"$JS.API.>", ', ', "_INBOX.>"]\n      }'])(
    'names the missing permission, and where to find it: %j',
    async (missing) => {
      const permissions = (await documented()).permissions.replace(
        missing,
        missing.startsWith(',') ? ']\n      }' : '',
      );
      const path = await file(
        'nats.conf',
        `authorization { users: [ { user: gearway, password: s3cret, permissions: ${permissions} } ] }`,
      );
      await using nats = await NatsServer.start('--config', path);
      expect(await refusal(`nats://gearway:s3cret@127.0.0.1:${nats.port}`)).toMatchObject({
        code: 'cluster-unsuitable',
        message: expect.stringMatching(
          /Permissions Violation.*: give its user the permissions listed in docs/,
        ) as string,
      });
    },
  );

  it('logs in with a credentials file', async () => {
    const { config, credentials } = decentralized();
    await using nats = await NatsServer.start('--config', await file('nats.conf', config));
    const path = await file('gearway.creds', credentials);
    await expectService((name) => `nats://127.0.0.1:${nats.port}?credentials=${path}&gateway=${name}`);
    expect((await refusal(`nats://127.0.0.1:${nats.port}?credentials=${path}.none`)).code).toBe('option-invalid');
  });
});

/** The permissions in docs/scale-out.md. */
async function documented(): Promise<{ readonly permissions: string }> {
  const text = await readFile(new URL('../../../docs/scale-out.md', import.meta.url), 'utf8');
  const permissions = /permissions: (\{[\s\S]*?\n {6}\})/.exec(text)?.[1];
  if (permissions === undefined) throw new Error('docs/scale-out.md has no permissions');
  return { permissions };
}

/** Configuration of a server with an operator, and the credentials of a user of an account with JetStream. */
function decentralized(): { readonly config: string; readonly credentials: string } {
  const [operator, system, account, user] = [createOperator(), createAccount(), createAccount(), createUser()];
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountToken = (pair: KeyPair, name: string, more: object): string =>
    sign(operator, pair, name, { limits: { ...limits, ...more }, type: 'account', version: 2 });
  const systemToken = accountToken(system, 'SYS', {});
  const accountText = accountToken(account, 'GEARWAY', {
    mem_storage: -1,
    disk_storage: -1,
    streams: -1,
    consumer: -1,
  });
  const userText = sign(account, user, 'gearway', { subs: -1, data: -1, payload: -1, type: 'user', version: 2 });
  const operatorText = sign(operator, operator, 'test', {
    system_account: system.getPublicKey(),
    type: 'operator',
    version: 2,
  });
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    config: [
      `operator: ${operatorText}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${system.getPublicKey()}: ${systemToken}, ${account.getPublicKey()}: ${accountText} }`,
    ].join('\n'),
    credentials: `-----BEGIN NATS USER JWT-----\n${userText}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  };
}

/** A JSON Web Token as signed by NATS. */
function sign(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats,
  };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex');
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode({ jti, ...claims })}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

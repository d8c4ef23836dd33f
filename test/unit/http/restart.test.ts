import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import type { CreatedShareLink, SessionStatus, ShareLinkStatus } from '../../../shared/status.ts';
import { hs256, inSeconds, JWT_SECRET } from '../../helpers/jwt.ts';
import { fastPassword } from '../../helpers/hashes.ts';
import { ask, logIn, type PageHeaders } from '../../helpers/session.ts';
import { JPEG } from '../../helpers/viewer.ts';

const ANN = { name: 'ann', password: 'correct horse' };

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-restart-'));
  file = join(folder, 'log-ins.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Served extends Gateway {
  readonly url: string;
  readonly lines: readonly string[];
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const lines: string[] = [];
  const gateway = await createGateway({
    port: 0,
    source: 'door=push:',
    token: 'adm1n',
    stateDir: folder,
    log: (line) => lines.push(line),
    ...options,
  });
  const { url } = await gateway.listen();
  gateway.stream.push(JPEG);
  return Object.assign(gateway, { url: url.slice(0, -1), lines });
}

const userOf = async ({ url }: Served, page: PageHeaders): Promise<string | null> =>
  (JSON.parse((await ask(`${url}/api/session`, { cookie: page.cookie })).body) as SessionStatus).user?.principal ??
  null;

async function share({ url }: Served): Promise<CreatedShareLink> {
  const administrator = { authorization: 'Bearer adm1n' };
  const answer = await ask(`${url}/api/streams/door/shares`, administrator, { method: 'POST', body: {} });
  return JSON.parse(answer.body) as CreatedShareLink;
}

const watch = async ({ url }: Served, link: CreatedShareLink): Promise<number> => {
  const authorization = `Bearer ${new URL(link.url).hash.replace('#token=', '')}`;
  return (await ask(`${url}/streams/door/snapshot.jpg`, { authorization }, { isEndless: true })).status;
};

describe('a restart of the gateway', () => {
  it('keeps sessions and share links, but not those that were ended', async () => {
    const tokens = { ann: { hash: fastPassword(ANN.password), rights: ['view' as const] } };
    const [links, pages] = await (async () => {
      await using gateway = await start({ tokens });
      const opened = [
        await logIn(gateway.url, ANN),
        await logIn(gateway.url, ANN),
        await logIn(gateway.url, { token: 'adm1n' }),
      ];
      const made = [await share(gateway), await share(gateway)];
      expect(made.map(({ outlastsRestart }) => outlastsRestart)).toEqual([true, true]);
      await ask(`${gateway.url}/api/session`, opened[1]!.page, { method: 'DELETE' });
      const revoked = await ask(
        `${gateway.url}/api/streams/door/shares/${made[1]!.id}`,
        { authorization: 'Bearer adm1n' },
        { method: 'DELETE' },
      );
      expect(revoked.status).toBe(200);
      return [made, opened.map(({ page }) => page)] as const;
    })();
    const text = readFileSync(file, 'utf8');
    for (const secret of ['adm1n', tokens.ann.hash, pages[0]!.cookie.slice(-43), links[0]!.url.slice(-43)])
      expect(text).not.toContain(secret);
    await using gateway = await start({ tokens });
    for (const [index, user] of ['ann', null, 'token'].entries())
      expect(await userOf(gateway, pages[index]!)).toBe(user);
    expect([await watch(gateway, links[0]!), await watch(gateway, links[1]!)]).toEqual([200, 401]);
    const listed = await ask(`${gateway.url}/api/streams/door/shares`, { authorization: 'Bearer adm1n' });
    expect((JSON.parse(listed.body) as ShareLinkStatus[]).map(({ id }) => id)).toEqual([links[0]!.id]);
  });

  it('does not restore sessions that were ended just before the process was killed', async () => {
    await using gateway = await start();
    const [{ page }, other] = [
      await logIn(gateway.url, { token: 'adm1n' }),
      await logIn(gateway.url, { token: 'adm1n' }),
    ];
    const link = await share(gateway);
    await ask(`${gateway.url}/api/session`, page, { method: 'DELETE' });
    // The file as it would be found after SIGKILL.
    const left = readFileSync(file);
    rmSync(folder, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'gearway-restart-'));
    writeFileSync(join(folder, 'log-ins.json'), left, { mode: 0o600 });
    await using next = await start();
    expect([await userOf(next, page), await userOf(next, other.page)]).toEqual([null, 'token']);
    expect(await watch(next, link)).toBe(200);
  });

  it.each<[string, GatewayOptions]>([
    ['another token', { token: 'an0ther' }],
    ['no token', { token: '' }],
  ])('ends sessions if the gateway has %s then', async (_what, options) => {
    const page = await (async () => {
      await using gateway = await start();
      return (await logIn(gateway.url, { token: 'adm1n' })).page;
    })();
    const { token = '' } = options;
    await using gateway = await createGateway({
      port: 0,
      source: 'door=push:',
      stateDir: folder,
      ...(token === '' ? {} : { token }),
    });
    const url = (await gateway.listen()).url.slice(0, -1);
    expect(await userOf(Object.assign(gateway, { url, lines: [] }), page)).toBeNull();
  });

  it('ends a session that is not used yet permanently when the configuration changes', async () => {
    const hash = fastPassword(ANN.password);
    const tokens = { ann: { hash, rights: ['view' as const] } };
    const options: GatewayOptions = { port: 0, source: 'door=push:', token: 'adm1n', stateDir: folder };
    const page = await (async () => {
      await using gateway = await start({ tokens });
      return (await logIn(gateway.url, ANN)).page;
    })();
    await using gateway = await start({ tokens });
    await gateway.reconfigure(options);
    await gateway.reconfigure({ ...options, tokens });
    expect(await userOf(gateway, page)).toBeNull();
  });

  it('ends sessions of JSON Web Tokens and of the administrator key', async () => {
    const jwt = { jwt: { secret: JWT_SECRET } };
    const first = await start(jwt);
    const token = hs256({ sub: 'bob', rights: ['view'], exp: Math.ceil(inSeconds(600)) });
    const { page } = await logIn(first.url, { token });
    await first.close();
    await using second = await start(jwt);
    expect(await userOf(second, page)).toBeNull();
  });

  it('starts without log-ins if the file is invalid, and reports this', async () => {
    for (const content of ['{', '{"version":9}', '[]']) {
      writeFileSync(file, content, { mode: 0o600 });
      await using gateway = await start();
      expect(gateway.lines.join('\n')).toMatch(/log-ins\.json is ignored/);
      expect((await share(gateway)).outlastsRestart).toBe(true);
    }
  });

  it('continues if it cannot write, and reports this', async () => {
    writeFileSync(join(folder, 'file'), '');
    await using gateway = await start({ stateDir: join(folder, 'file', 'state') });
    expect(gateway.lines.join('\n')).toContain('cannot be written');
    const { page } = await logIn(gateway.url, { token: 'adm1n' });
    expect(await userOf(gateway, page)).toBe('token');
    const link = await share(gateway);
    expect(link.outlastsRestart).toBe(false);
    const revoked = await ask(
      `${gateway.url}/api/streams/door/shares/${link.id}`,
      { authorization: 'Bearer adm1n' },
      { method: 'DELETE' },
    );
    expect([revoked.status, revoked.body]).toEqual([507, expect.stringContaining('the link is revoked, but')]);
    expect(await watch(gateway, link)).toBe(401);
    expect((await ask(`${gateway.url}/api/session`, page, { method: 'DELETE' })).status).toBe(200);
  });

  it('stores nothing without a folder', async () => {
    const gateway = await createGateway({ port: 0, source: 'door=push:', token: 'adm1n' });
    const url = (await gateway.listen()).url.slice(0, -1);
    expect((await share(Object.assign(gateway, { url, lines: [] }))).outlastsRestart).toBe(false);
    await gateway.close();
  });
});

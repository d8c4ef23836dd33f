import { chmodSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTokens, type TokenFlags } from '../../../gateway/config/token-options.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-tokens-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let files = 0;
function file(text: string | Uint8Array, mode = 0o600): string {
  files += 1;
  const path = join(folder, `secret-${files}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const read = (flags: Partial<TokenFlags>, environment: Record<string, string> = {}): ReturnType<typeof readTokens> =>
  readTokens({ reserve: [], ...flags }, environment);

describe('readTokens', () => {
  it('is empty if nothing is given', async () => {
    expect(await read({})).toEqual({ options: { reservedPorts: {} }, warnings: [] });
  });

  it('reads each secret from a flag, a file, or a variable', async () => {
    const all = { token: 't', viewToken: 'v', publishToken: 'p', reservedPorts: { 6001: 'a=b', 6002: '#' } };
    expect(
      (await read({ token: 't', 'view-token': 'v', 'publish-token': 'p', reserve: ['6001=a=b', '6002=#'] })).options,
    ).toEqual(all);
    expect(
      (
        await read({
          'token-file': file('t'),
          'view-token-file': file('v\n'),
          'publish-token-file': file('p\r\n'),
          'reserve-file': file('6001=a=b\n\n6002=#\n'),
        })
      ).options,
    ).toEqual(all);
    expect(
      (
        await read(
          {},
          {
            GEARWAY_TOKEN: 't',
            GEARWAY_VIEW_TOKEN: 'v',
            GEARWAY_PUBLISH_TOKEN: 'p',
            GEARWAY_RESERVE: '6001=a=b 6002=#',
          },
        )
      ).options,
    ).toEqual(all);
    expect(
      (
        await read(
          { token: 't', 'view-token-file': file('v'), reserve: ['6001=a=b'], 'reserve-file': file('6002=#') },
          { GEARWAY_PUBLISH_TOKEN: 'p' },
        )
      ).options,
    ).toEqual(all);
  });

  it('removes one line break, and keeps characters that resolveOptions refuses', async () => {
    expect((await read({ 'token-file': file('t\n\n') })).options.token).toBe('t\n');
    expect((await read({ 'token-file': file(' t') })).options.token).toBe(' t');
    expect((await read({ 'token-file': file('') })).options.token).toBe('');
    expect((await read({}, { GEARWAY_TOKEN: '' })).options.token).toBe('');
  });

  it.each<[string, () => Partial<TokenFlags>, Record<string, string>]>([
    ['a flag and a file', () => ({ token: 'hush', 'token-file': file('hush') }), {}],
    ['a flag and a variable', () => ({ 'view-token': 'hush' }), { GEARWAY_VIEW_TOKEN: 'hush' }],
    ['a file and a variable', () => ({ 'publish-token-file': file('hush') }), { GEARWAY_PUBLISH_TOKEN: 'hush' }],
    ['all three', () => ({ token: 'hush', 'token-file': file('hush') }), { GEARWAY_TOKEN: 'hush' }],
    ['a port twice', () => ({ reserve: ['6001=hush', '6001=hush2'] }), {}],
    ['a port in two places', () => ({ reserve: ['6001=hush'], 'reserve-file': file('6001=hush') }), {}],
    ['the same port in another notation', () => ({ reserve: ['6001=hush', '06001=hush'] }), {}],
    ['a port without a secret', () => ({ reserve: ['6001='] }), {}],
    ['a secret without a port', () => ({ 'reserve-file': file('hush') }), {}],
    ['a variable without a port', () => ({}), { GEARWAY_RESERVE: 'hush' }],
    ['a missing file', () => ({ 'token-file': join(folder, 'nothing') }), {}],
    ['a folder', () => ({ 'token-file': folder }), {}],
    ['a file of more than 64 KiB', () => ({ 'token-file': file('hush'.repeat(16_385)) }), {}],
  ])('refuses %s, without the secret', async (_what, flags, environment) => {
    let message = '';
    try {
      await read(flags(), environment);
    } catch (error) {
      expect(error).toMatchObject({ code: 'option-invalid' });
      message = (error as Error).message;
    }
    expect(message).not.toBe('');
    expect(message).not.toContain('hush');
    expect(message).not.toContain('\n');
  });

  it.skipIf(process.platform === 'win32')('warns of a file that everyone can read', async () => {
    expect((await read({ 'token-file': file('hush', 0o644) })).warnings).toEqual([
      expect.stringMatching(/^--token-file: .*chmod 600/),
    ]);
    expect((await read({ 'reserve-file': file('6001=hush', 0o604) })).warnings).toHaveLength(1);
    for (const mode of [0o600, 0o400, 0o440, 0o640])
      expect((await read({ 'token-file': file('t', mode) })).warnings).toEqual([]);
  });
});

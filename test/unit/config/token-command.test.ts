import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { parseConfig } from '../../../gateway/config/config-file.ts';
import { resolveNamedTokens } from '../../../gateway/config/rights-options.ts';
import { runToken } from '../../../gateway/config/token-command.ts';
import { RightsTable } from '../../../gateway/rights/rights-table.ts';
import { formats } from '../../helpers/config.ts';

/** Runs the command. @returns the token that it prints, and the table of the lines for the configuration file. */
async function run(
  args: string[],
  password = '',
): Promise<{ text: string; token: string | null; table: RightsTable; settings: unknown }> {
  let text = '';
  await runToken(args, { readPassword: async () => password, print: (piece) => (text += piece) });
  const { config, problems } = await parseConfig(Buffer.from(text.slice(text.indexOf('tokens:'))), formats, {
    variables: {},
    folder: '/',
  });
  expect(problems).toEqual([]);
  const tokens = resolveNamedTokens(config.tokens ?? {}, [{ from: 6000, to: 6063 }], new Map());
  return {
    text,
    token: /^gw_\S+$/m.exec(text)?.[0] ?? null,
    settings: config.tokens,
    table: new RightsTable(
      tokens.map(({ hash, ...grant }) => ({ grant, proof: { kind: 'hash', hash } })),
      null,
      SILENT_LOGGER,
    ),
  };
}

describe('gearway token', () => {
  it('prints a token, and lines with which it is recognized', async () => {
    const { token, table, text } = await run(
      'arm --rights view,return --streams robot,door --port 6007 --expires 2037-01-31'.split(' '),
    );
    expect(await table.find({ secret: token ?? '', user: null }, '192.0.2.1')).toMatchObject({
      name: 'arm',
      rights: ['view', 'return'],
      streams: ['robot', 'door'],
      port: 6007,
      expiresAtMs: Date.parse('2037-02-01T00:00:00Z'),
    });
    expect(text.slice(text.indexOf('tokens:'))).not.toContain(token);
  });

  it('grants viewing all streams by default, and accepts names that YAML would read as numbers', async () => {
    expect((await run([])).settings).toMatchObject({ viewer: { rights: ['view'] } });
    expect((await run(['0815'])).settings).toMatchObject({ '0815': { rights: ['view'] } });
  });

  it('hashes the password of a user, and does not print it', async () => {
    const { token, table, text } = await run(['ann', '--password', '--rights', 'administer'], 'correct horse');
    expect(token).toBeNull();
    expect(text).not.toContain('correct horse');
    expect(await table.find({ secret: 'correct horse', user: 'ann' }, '192.0.2.1')).toMatchObject({
      rights: ['administer'],
    });
    expect(await table.find({ secret: 'correct horse', user: null }, '192.0.2.1')).toBeNull();
  });

  it.each([
    [['a', 'b']],
    [['a b']],
    [['a', '--rights', 'look']],
    [['a', '--rights', 'return']],
    [['a', '--streams', '*']],
    [['a', '--port', '6007']],
    [['a', '--rights', 'view,return', '--port', '65536']],
    [['a', '--expires', 'soon']],
    [['a', '--password']],
  ])('refuses %j', async (args) => {
    await expect(run(args, 'short')).rejects.toMatchObject({ code: 'option-invalid' });
  });
});

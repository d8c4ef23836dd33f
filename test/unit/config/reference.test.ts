import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../gateway/config/config-file.ts';
import { DECLARED_OPTIONS } from '../../../gateway/config/flags.ts';
import { formatHelp } from '../../../gateway/config/help.ts';
import { formatJsonSchema, formatReference } from '../../../gateway/config/reference.ts';
import { CONFIG_SCHEMA, type SchemaNode } from '../../../gateway/config/schema.ts';
import { checkOptions, formats } from '../../helpers/config.ts';
import type { GatewayOptions } from '../../../gateway/config/gateway-options.ts';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');

/** The names of all keys of the schema. */
function keysOf({ properties = {}, additionalProperties }: SchemaNode): string[] {
  const own = Object.entries(properties).flatMap(([key, child]) => [key, ...keysOf(child)]);
  return typeof additionalProperties === 'object' ? [...own, ...keysOf(additionalProperties)] : own;
}

describe('texts generated from the schema', () => {
  it('are up to date in the documentation (npm run docs)', () => {
    expect(read('docs/configuration.md')).toContain(formatReference());
    expect(read('docs/gateway.schema.json')).toBe(formatJsonSchema());
  });

  it('include every flag in the help, in lines of at most 120 characters', () => {
    const help = formatHelp();
    for (const { flag } of DECLARED_OPTIONS) expect(help).toMatch(new RegExp(`--${flag.name}\\b`));
    expect(help.split('\n').filter((line) => line.length > 120)).toEqual([]);
  });
});

describe('gateway.example.yaml', () => {
  const example = read('gateway.example.yaml');
  const switchedOn = example.replaceAll(/^#(?! )/gm, '').replaceAll(/^#(?= {2,}(?:- |\w+:(?: |$)))/gm, '');
  const folder = fileURLToPath(new URL('../../fixtures/config', import.meta.url));
  const parse = async (text: string): ReturnType<typeof parseConfig> =>
    parseConfig(Buffer.from(text), formats, { variables: { CREDENTIALS_DIRECTORY: folder }, folder });

  it('is valid unchanged and with every option enabled', async () => {
    for (const text of [example, switchedOn]) {
      const { config, problems } = await parse(text);
      expect(problems).toEqual([]);
      const { tls: _, viewerMaxBitrate: __, ...options } = config;
      expect(checkOptions(options as GatewayOptions)).toEqual(['robot', 'door', 'phone']);
    }
  });

  it('has every key, with every option enabled', async () => {
    const { config } = await parse(switchedOn);
    const present = new Set(
      JSON.stringify(config)
        .match(/"\w+"(?=:)/g)
        ?.map((key) => key.slice(1, -1)),
    );
    expect(keysOf(CONFIG_SCHEMA).filter((key) => !present.has(key))).toEqual([]);
  });
});

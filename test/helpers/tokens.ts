import type { TokenSettings } from '../../gateway/create-gateway.ts';
import { fastToken } from './hashes.ts';

/** Creates a token for each entry, with a hash that is checked fast. @returns the tokens, and the option. */
export function makeTokens<Name extends string>(
  entries: Readonly<Record<Name, Omit<TokenSettings, 'hash'>>>,
): { readonly secrets: Readonly<Record<Name, string>>; readonly tokens: Record<Name, TokenSettings> } {
  const made = (Object.keys(entries) as Name[]).map((name) => ({ name, ...fastToken() }));
  return {
    secrets: Object.fromEntries(made.map(({ name, token }) => [name, token])) as Record<Name, string>,
    tokens: Object.fromEntries(made.map(({ name, hash }) => [name, { ...entries[name], hash }])) as Record<
      Name,
      TokenSettings
    >,
  };
}

import { createToken } from '../../gateway/rights/scrypt-hash.ts';
import type { TokenSettings } from '../../gateway/create-gateway.ts';

/** Creates a token for each entry. @returns the tokens, and the option with their hashes. */
export async function makeTokens<Name extends string>(
  entries: Readonly<Record<Name, Omit<TokenSettings, 'hash'>>>,
): Promise<{ readonly secrets: Readonly<Record<Name, string>>; readonly tokens: Record<Name, TokenSettings> }> {
  const made = await Promise.all(
    (Object.keys(entries) as Name[]).map(async (name) => ({ name, ...(await createToken()) })),
  );
  return {
    secrets: Object.fromEntries(made.map(({ name, token }) => [name, token])) as Record<Name, string>,
    tokens: Object.fromEntries(made.map(({ name, hash }) => [name, { ...entries[name], hash }])) as Record<
      Name,
      TokenSettings
    >,
  };
}

import { Principal, type Right } from '../../gateway/rights/principal.ts';

/** An identity with these rights in all streams. */
export function principalWith(rights: readonly Right[]): Principal {
  return new Principal({ name: 'tester', rights, streams: null, port: null, expiresAtMs: null });
}

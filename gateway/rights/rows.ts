import type { JwtSettings } from './jwt-verifier.ts';
import type { Grant, Right } from './principal.ts';
import type { Row } from './rights-table.ts';
import type { ScryptHash } from './scrypt-hash.ts';

/** A token or user of the configuration. */
export interface NamedToken extends Grant {
  readonly hash: ScryptHash;
}

/** The options that grant rights. */
export interface RightsOptions {
  /** Whether the gateway listens on loopback addresses only. */
  readonly isLocal: boolean;
  /** Whether anyone may watch and return data without a token. */
  readonly insecure: boolean;
  /** Token with all rights. */
  readonly token: string | null;
  /** Secret with all rights, used if no token of the configuration administers the gateway. */
  readonly administratorKey: string | null;
  /** Token that grants viewing only. */
  readonly viewToken: string | null;
  /** Token that grants publishing only. */
  readonly publishToken: string | null;
  /** The tokens of reserved ports. */
  readonly reservedPorts: ReadonlyMap<number, string>;
  /** Tokens and users of the configuration. */
  readonly tokens: readonly NamedToken[];
  /** null: JSON Web Tokens are not accepted. */
  readonly jwt: JwtSettings | null;
}

/** Reserved names, which tokens of the configuration must not have. */
export const BUILT_IN_NAMES: readonly string[] = ['token', 'anyone'];

/**
 * Whether requests without a token have no rights, not even those from this machine. A publishing token, or tokens of
 * ports, do not cause this: they restrict only publishing, or these ports.
 */
export function requiresToken({ token, tokens, jwt }: Pick<RightsOptions, 'token' | 'tokens' | 'jwt'>): boolean {
  return token !== null || tokens.length > 0 || jwt !== null;
}

/** Whether a token of the configuration administers the whole gateway, so that it needs no administrator key. */
export function hasAdministrator({ token, tokens }: Pick<RightsOptions, 'token' | 'tokens'>): boolean {
  return token !== null || tokens.some(({ rights, streams }) => streams === null && rights.includes('administer'));
}

/** All rights. The right to view includes that to watch. */
const EVERYTHING: readonly Right[] = ['view', 'return', 'administer', 'publish'];

/** The rows of the table, from all options that grant rights. */
export function rowsOf(options: RightsOptions): readonly Row[] {
  const { isLocal, insecure, token, administratorKey, viewToken, publishToken, reservedPorts, tokens } = options;
  const secret = (name: string, text: string | null, rights: readonly Right[], port: number | null = null): Row[] =>
    text === null ? [] : [{ grant: grant(name, rights, port), proof: { kind: 'secret', secret: text } }];
  const implicit: Row[] = requiresToken(options)
    ? []
    : [
        // Requests from this machine are never those of an administrator, because they may come through a proxy that
        // adds no header.
        ...(isLocal
          ? [
              {
                grant: grant(
                  'this machine',
                  publishToken === null ? ['view', 'return', 'publish'] : ['view', 'return'],
                ),
                proof: { kind: 'this machine' },
              } satisfies Row,
            ]
          : []),
        ...(insecure ? [{ grant: grant('anyone', ['view', 'return']), proof: { kind: 'none' } } satisfies Row] : []),
      ];
  return [
    ...secret('token', token, EVERYTHING),
    ...(hasAdministrator(options) ? [] : secret('administrator key', administratorKey, EVERYTHING)),
    ...secret('view token', viewToken, ['view']),
    ...secret('publish token', publishToken, ['publish']),
    ...[...reservedPorts].flatMap(([port, text]) => secret('port token', text, ['view', 'return'], port)),
    ...tokens.map(({ hash, ...rest }): Row => ({ grant: rest, proof: { kind: 'hash', hash } })),
    ...implicit,
  ];
}

function grant(name: string, rights: readonly Right[], port: number | null = null): Grant {
  return { name, rights, streams: null, port, expiresAtMs: null };
}

import { GearwayError } from '../../shared/errors.ts';

/** NetGear's messaging patterns; the numbers 0, 1, 2 are used only in options and on the wire. */
export type Pattern = 'pair' | 'request-reply' | 'publish-subscribe';

const PATTERNS: readonly Pattern[] = ['pair', 'request-reply', 'publish-subscribe'];

/** The patterns of `NetGear_Async`, which adds number 3. */
export type AsyncPattern = Pattern | 'push-pull';

const ASYNC_PATTERNS: readonly AsyncPattern[] = [...PATTERNS, 'push-pull'];

/**
 * Parses NetGear's `pattern` option.
 *
 * @throws {GearwayError} `pattern-unknown`.
 */
export function parsePattern(text: string): Pattern {
  const pattern = /^[012]$/.test(text) ? PATTERNS[Number(text)] : undefined;
  if (pattern === undefined)
    throw new GearwayError(
      'pattern-unknown',
      `pattern is ${JSON.stringify(text)}, expected 0 (pair), 1 (request-reply) or 2 (publish-subscribe)`,
    );
  return pattern;
}

/**
 * Parses NetGear_Async's `pattern` option.
 *
 * @throws {GearwayError} `pattern-unknown`.
 */
export function parseAsyncPattern(text: string): AsyncPattern {
  const pattern = /^[0123]$/.test(text) ? ASYNC_PATTERNS[Number(text)] : undefined;
  if (pattern === undefined)
    throw new GearwayError(
      'pattern-unknown',
      `pattern is ${JSON.stringify(text)}, expected 0 (pair), 1 (request-reply), 2 (publish-subscribe) or 3 (push-pull)`,
    );
  return pattern;
}

/** The pattern's number as text, as in a frame's header. */
export function formatPattern(pattern: AsyncPattern): string {
  return String(ASYNC_PATTERNS.indexOf(pattern));
}

// Maps, because the peer chooses the type: objects also have properties such as `constructor`.
const RECEIVER_SOCKETS: ReadonlyMap<string, Pattern> = new Map([
  ['PAIR', 'pair'],
  ['REP', 'request-reply'],
  ['ROUTER', 'request-reply'],
  ['SUB', 'publish-subscribe'],
  ['XSUB', 'publish-subscribe'],
]);
const SENDER_SOCKETS: ReadonlyMap<string, Pattern> = new Map([
  ['PAIR', 'pair'],
  ['REQ', 'request-reply'],
  ['DEALER', 'request-reply'],
  ['PUB', 'publish-subscribe'],
  ['XPUB', 'publish-subscribe'],
]);

/**
 * The pattern of a peer's ZeroMQ socket type; null if that side has no such socket. NetGear's `client` binds, its
 * `server` connects.
 */
export function patternOfSocket(type: string, side: 'client' | 'server' = 'client'): Pattern | null {
  return (side === 'client' ? RECEIVER_SOCKETS : SENDER_SOCKETS).get(type) ?? null;
}

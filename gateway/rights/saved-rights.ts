import { GearwayError } from '../../shared/errors.ts';

/** A session, as stored in a file. */
export interface SavedSession {
  /** Hash of the session's id. */
  readonly key: string;
  /** Name of the session's owner. */
  readonly name: string;
  /** HMAC of the owner's row, with the id as the key: it reveals the owner only together with the id. */
  readonly proof: string;
  readonly expiresAtMs: number;
  readonly usedAtMs: number;
}

/** A share link, as stored in a file. */
export interface SavedShareLink {
  /** Hash of the link's token. */
  readonly key: string;
  readonly id: string;
  readonly stream: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** State that outlasts a restart of the gateway. It contains no secret with which anyone could log in. */
export interface SavedRights {
  readonly version: typeof VERSION;
  readonly sessions: readonly SavedSession[];
  readonly shareLinks: readonly SavedShareLink[];
}

const VERSION = 1;

/** Combines the parts of the state. */
export function saveRights(sessions: readonly SavedSession[], shareLinks: readonly SavedShareLink[]): SavedRights {
  return { version: VERSION, sessions, shareLinks };
}

/**
 * Checks the state that was read from a file.
 *
 * @throws {GearwayError} `state-invalid`.
 */
export function parseSavedRights(value: unknown): SavedRights {
  const { version, sessions, shareLinks } = fieldsOf(value);
  if (version !== VERSION)
    throw new GearwayError('state-invalid', `its version is ${String(version).slice(0, 40)}, expected ${VERSION}`);
  if (!isListOf(sessions, ['key', 'name', 'proof'], ['expiresAtMs', 'usedAtMs']))
    throw new GearwayError('state-invalid', 'its sessions do not have the format of this version of the gateway');
  if (!isListOf(shareLinks, ['key', 'id', 'stream', 'createdBy'], ['createdAtMs', 'expiresAtMs']))
    throw new GearwayError('state-invalid', 'its share links do not have the format of this version of the gateway');
  return { version, sessions, shareLinks } as unknown as SavedRights;
}

function isListOf(value: unknown, texts: readonly string[], numbers: readonly string[]): boolean {
  return (
    Array.isArray(value) &&
    value.every((entry: unknown) => {
      const fields = fieldsOf(entry);
      return (
        texts.every((name) => typeof fields[name] === 'string') &&
        numbers.every((name) => Number.isSafeInteger(fields[name]))
      );
    })
  );
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

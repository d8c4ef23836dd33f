import { describe, expect, it } from 'vitest';
import { parseSavedRights, saveRights } from '../../../gateway/rights/saved-rights.ts';

const SAVED = {
  version: 1,
  sessions: [{ key: 'k', name: 'ann', proof: 'p', expiresAtMs: 2, usedAtMs: 1 }],
  shareLinks: [{ key: 'k', id: 'i', stream: 'door', createdBy: 'ann', createdAtMs: 1, expiresAtMs: 2 }],
};

describe('parseSavedRights', () => {
  it('accepts saved rights', () => {
    expect(parseSavedRights(SAVED)).toEqual(SAVED);
    expect(parseSavedRights(saveRights([], []))).toEqual({ version: 1, sessions: [], shareLinks: [] });
  });

  it.each([
    [null, 'version'],
    [[], 'version'],
    ['text', 'version'],
    [{ ...SAVED, version: 2 }, 'version is 2, expected 1'],
    [{ ...SAVED, sessions: undefined }, 'sessions'],
    [{ ...SAVED, sessions: [null] }, 'sessions'],
    [{ ...SAVED, sessions: [{ ...SAVED.sessions[0], proof: 1 }] }, 'sessions'],
    [{ ...SAVED, sessions: [{ ...SAVED.sessions[0], usedAtMs: '1' }] }, 'sessions'],
    [{ ...SAVED, sessions: [{ ...SAVED.sessions[0], expiresAtMs: 1e300 }] }, 'sessions'],
    [{ ...SAVED, shareLinks: {} }, 'share links'],
    [{ ...SAVED, shareLinks: [{ ...SAVED.shareLinks[0], stream: null }] }, 'share links'],
    [{ ...SAVED, shareLinks: [{ ...SAVED.shareLinks[0], expiresAtMs: null }] }, 'share links'],
  ])('refuses %j', (value, message) => {
    expect(() => parseSavedRights(value)).toThrow(
      expect.objectContaining({ code: 'state-invalid', message: expect.stringContaining(message) }),
    );
  });
});

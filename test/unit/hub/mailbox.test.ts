import { describe, expect, it } from 'vitest';
import { Mailbox } from '../../../gateway/hub/mailbox.ts';

describe('Mailbox', () => {
  it('is empty at first, and after its item was taken', () => {
    const mailbox = new Mailbox<string>();
    expect(mailbox.isEmpty).toBe(true);
    expect(mailbox.take()).toBeUndefined();
    mailbox.put('a');
    expect(mailbox.isEmpty).toBe(false);
    expect(mailbox.take()).toBe('a');
    expect(mailbox.isEmpty).toBe(true);
    expect(mailbox.take()).toBeUndefined();
    expect(mailbox.dropped).toBe(0);
  });

  it('keeps the newest item, and counts replaced items', () => {
    const mailbox = new Mailbox<string>();
    for (const item of ['a', 'b', 'c']) mailbox.put(item);
    expect(mailbox.dropped).toBe(2);
    expect(mailbox.take()).toBe('c');
    mailbox.put('d');
    expect(mailbox.dropped).toBe(2);
  });

  it('does not count cleared items', () => {
    const mailbox = new Mailbox<string>();
    mailbox.put('a');
    mailbox.clear();
    expect(mailbox.isEmpty).toBe(true);
    mailbox.put('b');
    expect(mailbox.dropped).toBe(0);
    expect(mailbox.take()).toBe('b');
  });

  it('restores an item that could not be sent, unless a newer item waits', () => {
    const mailbox = new Mailbox<string>();
    mailbox.restore('a');
    expect(mailbox.dropped).toBe(0);
    expect(mailbox.take()).toBe('a');
    mailbox.put('b');
    mailbox.restore('a');
    expect(mailbox.dropped).toBe(1);
    expect(mailbox.take()).toBe('b');
  });
});

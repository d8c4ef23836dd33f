import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { editStream } from '../../../gateway/config/edit-file.ts';

const FILE = `# Cameras of the house.
port: 8080 # behind nginx
streams:
  # With a password from the environment.
  door:
    source: ffmpeg:rtsp://viewer:\${DOOR}@192.168.1.20/1 # old camera
    virtualPorts: '6000-6007'
    clients:
    # The robot.
    - tcp://127.0.0.1:5567?pattern=1
    - tcp://\${HOST}:5577

  yard: {source: "push:"}
token: file:token
`;
const DOOR = {
  source: 'ffmpeg:rtsp://viewer:secret@192.168.1.20/1',
  virtualPorts: '6000-6007',
  clients: ['tcp://127.0.0.1:5567?pattern=1', 'tcp://robot:5577'],
};

/** The lines that are only in the new text, and those that are only in the old one. */
function difference(after: string, before = FILE): { added: string[]; removed: string[] } {
  const [old, now] = [before.split('\n'), after.split('\n')];
  return { added: now.filter((line) => !old.includes(line)), removed: old.filter((line) => !now.includes(line)) };
}

describe('editStream', () => {
  it('changes one option, and keeps comments, references, quotes and indentation', () => {
    expect(difference(editStream(FILE, 'door', DOOR, { ...DOOR, virtualPorts: '7000-7009' }))).toEqual({
      added: ["    virtualPorts: '7000-7009'"],
      removed: ["    virtualPorts: '6000-6007'"],
    });
    expect(difference(editStream(FILE, 'door', DOOR, { ...DOOR, source: 'push:' }))).toEqual({
      added: ['    source: "push:" # old camera'],
      removed: [`    source: ffmpeg:rtsp://viewer:\${DOOR}@192.168.1.20/1 # old camera`],
    });
  });

  it('adds and removes options and native clients; the remaining ones keep their references', () => {
    const { virtualPorts: _, ...rest } = DOOR;
    const changed = { ...rest, start: 'all', clients: ['tcp://robot:5577', 'tcp://127.0.0.1:1'] } as const;
    expect(difference(editStream(FILE, 'door', DOOR, changed))).toEqual({
      added: ['    - tcp://127.0.0.1:1', '    start: all'],
      removed: ["    virtualPorts: '6000-6007'", '    - tcp://127.0.0.1:5567?pattern=1'],
    });
  });

  it('adds and removes a stream', () => {
    const gate = { source: 'image:/srv/${gate}.jpg', clients: ['tcp://127.0.0.1:1'] };
    const added = editStream(FILE, 'gate', null, gate);
    expect(difference(added)).toEqual({
      added: ['  gate:', '    source: image:/srv/$${gate}.jpg', '    - tcp://127.0.0.1:1'],
      removed: [],
    });
    expect(editStream(added, 'gate', gate, null)).toBe(editStream(FILE, 'none', null, null));
    expect(difference(editStream(FILE, 'yard', { source: 'push:' }, null)).removed).toEqual([
      '  yard: {source: "push:"}',
    ]);
  });

  it.each([
    ['an empty file', ''],
    ['a file with comments only', '# nothing yet\n'],
    ['a file without streams', 'port: 1 # one\n'],
    ['a stream whose name is a number', "streams:\n  7: { source: 'push:' }\n"],
  ])('adds a stream to %s', (_what, text) => {
    const edited = editStream(text, 'door', null, { source: 'push:' });
    expect(edited).toContain('door:\n    source: "push:"');
    for (const comment of text.match(/# \w+/g) ?? []) expect(edited).toContain(comment);
  });

  it('changes a stream whose name is a number', () => {
    const edited = editStream(
      "streams:\n  7:\n    source: 'push:'\n",
      '7',
      { source: 'push:' },
      { source: 'test-pattern:' },
    );
    expect(edited).toBe("streams:\n  7:\n    source: 'test-pattern:'\n");
  });

  it('keeps Windows line breaks', () => {
    const edited = editStream(
      'port: 1\r\nstreams:\r\n  a:\r\n    source: x\r\n',
      'a',
      { source: 'x' },
      { source: 'y' },
    );
    expect(edited).toBe('port: 1\r\nstreams:\r\n  a:\r\n    source: y\r\n');
  });

  it('changes nothing else in the example file', () => {
    const example = readFileSync(new URL('../../../gateway.example.yaml', import.meta.url), 'utf8');
    const edited = editStream(example, 'phone', { source: 'push:' }, { source: 'test-pattern:' });
    expect(difference(edited, example)).toEqual({
      added: ['    source: "test-pattern:"'],
      removed: ['    source: "push:"'],
    });
    expect(edited.length).toBe(example.length + 'test-pattern:'.length - 'push:'.length);
  });
});

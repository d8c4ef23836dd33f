import type { StreamSettingsStatus } from '../../../shared/status.ts';

/** The options of a stream that have a fixed set of values, with their meanings in the form. */
export const CHOICES = {
  start: {
    label: 'Frames start',
    values: { any: 'immediately', all: 'when all native clients have connected once' },
  },
  distribution: {
    label: 'A frame goes to',
    values: { broadcast: 'all native clients', 'round-robin': 'one native client in turn' },
  },
  onSourceEnd: {
    label: 'When the source ends, native clients',
    values: { wait: 'wait', terminate: 'are terminated' },
  },
  idle: {
    label: 'Without frames, native clients get',
    values: { card: 'a placeholder frame', silence: 'nothing' },
  },
  renditions: { label: 'Viewers with slow links get', values: { auto: 'smaller pictures', off: 'fewer frames' } },
  control: {
    label: 'Return data is accepted from',
    values: { shared: 'all clients', exclusive: 'the viewer that has control' },
  },
} as const;

/** Kinds of sources, as examples for the form. */
export const SOURCE_EXAMPLES = [
  'push:',
  'ffmpeg:rtsp://HOST/PATH',
  'ffmpeg:camera',
  'mjpeg:http://HOST/PATH',
  'netgear:tcp://127.0.0.1:5555?pattern=1',
  'imagezmq:tcp://0.0.0.0:5555',
  'test-pattern:',
] as const;

/** Reads a field, trimmed; empty if there is no such field. */
export function readText(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

/** Reads the options of a stream from its form; empty fields are omitted. */
export function readOptions(form: FormData): StreamSettingsStatus {
  const text = (name: string): string => readText(form, name);
  const clients = text('clients')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const chosen = ['virtualPorts', ...Object.keys(CHOICES)].flatMap((name) =>
    text(name) === '' ? [] : [[name, text(name)]],
  );
  return {
    source: text('source'),
    ...(clients.length === 0 ? {} : { clients }),
    ...(Object.fromEntries(chosen) as Partial<StreamSettingsStatus>),
  };
}

/** The options that differ, as a merge patch: null for a removed option. */
export function changedOptions(before: StreamSettingsStatus, after: StreamSettingsStatus): Record<string, unknown> {
  const keys = Object.keys({ ...before, ...after }) as (keyof StreamSettingsStatus)[];
  const changed = keys.filter((key) => JSON.stringify(before[key] ?? []) !== JSON.stringify(after[key] ?? []));
  return Object.fromEntries(changed.map((key) => [key, after[key] ?? null]));
}

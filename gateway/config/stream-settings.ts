import { GearwayError } from '../../shared/errors.ts';
import { splitName } from './client-address.ts';
import type { Formats } from './config-file.ts';
import type { GatewayOptions, StreamSettings } from './gateway-options.ts';
import type { Config } from './schema.ts';

/** Streams with their options, by the names that are given to their sources. */
export type NamedStreams = Readonly<Record<string, StreamSettings>>;

/** A stream that a source URL feeds. */
interface FedStream {
  readonly name: string;
  /** Name in front of the source URL; null if there is none. */
  readonly entry: string | null;
  readonly url: string;
}

/** Maximum number of problems in one message. */
const MAX_PROBLEMS = 5;

/**
 * Checks the options of a stream from the HTTP API like those in a configuration file, with the same messages.
 * References such as `${NAME}` are not replaced, because they could read files.
 *
 * @param name name of the stream, which is checked too.
 * @throws {GearwayError} `config-invalid`.
 */
export async function readStreamSettings(name: string, value: unknown, formats: Formats): Promise<StreamSettings> {
  const problem = findStructure(value);
  if (problem !== null) throw new GearwayError('config-invalid', problem);
  // The parser takes a tenth of the gateway's start-up time. JSON is YAML.
  const { parseConfig } = await import('./config-file.ts');
  const text = JSON.stringify({ streams: { [name]: value } }, (_key, part: unknown) =>
    typeof part === 'string' ? escapeReferences(part) : part,
  );
  const { config, problems } = await parseConfig(Buffer.from(text), formats, { variables: {}, folder: '.' });
  if (problems.length > 0) {
    const more = problems.length > MAX_PROBLEMS ? ` (and ${problems.length - MAX_PROBLEMS} more)` : '';
    const messages = problems.slice(0, MAX_PROBLEMS).map(({ message }) => message);
    throw new GearwayError('config-invalid', `${messages.join('; ')}${more}`);
  }
  const settings = streamOf(textPorts(config.streams ?? {}), name);
  if (settings === null) throw new TypeError('parsing reported no problem, but returned no options');
  return settings;
}

/** Escapes `${` in a string, so that it is not a reference. */
export function escapeReferences(text: string): string {
  return text.replaceAll('${', () => '$${');
}

/** Converts the ports to strings, because the API also accepts a number. */
export function textPorts(streams: NonNullable<Config['streams']>): NamedStreams {
  return Object.fromEntries(
    Object.entries(streams).map(([name, { virtualPorts, ...rest }]) => [
      name,
      virtualPorts === undefined ? rest : { ...rest, virtualPorts: String(virtualPorts) },
    ]),
  );
}

/** The reason why a value cannot be written as YAML; null if it can. */
function findStructure(value: unknown): string | null {
  const expected = 'expected a JSON object with the options of a stream, {"source": "push:"}';
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `the body is not an object, ${expected}`;
  const isNested = (part: unknown): boolean => typeof part === 'object' && part !== null;
  const members = Object.values(value)
    .filter(isNested)
    .flatMap((part) => Object.values(part as object));
  return members.some(isNested) ? `the body has nested lists or objects, ${expected}` : null;
}

/** Finds a stream by name. The name may be that of a property of every object, such as `toString`. */
export function streamOf(streams: NamedStreams, name: string): StreamSettings | null {
  return (Object.hasOwn(streams, name) ? streams[name] : undefined) ?? null;
}

/** Whether two streams have the same options. */
export function isSameStream(a: StreamSettings | null, b: StreamSettings | null): boolean {
  return canonical(a) === canonical(b);
}

function canonical(settings: StreamSettings | null): string {
  if (settings === null) return '';
  const { clients = [], ...rest } = settings;
  return JSON.stringify(Object.entries({ ...rest, clients }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The same options with all streams in `streams`: sources, native clients, ports and renditions that are listed
 * elsewhere with the name of a stream become options of that stream, and native clients without a name become options
 * of the first stream. Source URLs without a name that feed several streams stay as they are.
 *
 * @param sources the streams of all sources of `options`, in their order.
 */
export function nameStreams(options: GatewayOptions, sources: readonly FedStream[]): GatewayOptions {
  const { source, streams: own = {}, clients = [], virtualPorts, renditions, ...common } = options;
  const streams = new Map<string, StreamSettings>();
  const unnamed: string[] = [];
  for (const text of source === undefined ? [] : asList(source)) {
    const { stream, rest } = splitName(text);
    const fed = sources.filter(({ entry, url }) => entry === null && url === text);
    const name = stream ?? (fed.length === 1 ? fed[0]?.name : undefined);
    // A list of one sender or port without a name defines the name of its stream, which a given name would change.
    if (name === undefined || (stream === null && name !== 'main')) unnamed.push(text);
    else streams.set(name, { source: rest });
  }
  for (const [name, settings] of Object.entries(own)) streams.set(name, settings);
  if (streams.size === 0 && unnamed.length === 0)
    for (const { name, url } of sources) streams.set(name, { source: url });
  const isOwn = (name: string): boolean => streams.has(name) && sources.some((fed) => fed.name === name);
  const change = (name: string, change: (settings: StreamSettings) => StreamSettings): void => {
    const settings = streams.get(name);
    if (settings !== undefined) streams.set(name, change(settings));
  };

  const first = sources[0]?.name ?? 'main';
  const otherClients: string[] = [];
  const listed = new Map<string, string[]>();
  for (const text of clients) {
    const { stream, rest } = splitName(text);
    const name = stream ?? first;
    if (isOwn(name)) listed.set(name, [...(listed.get(name) ?? []), rest]);
    else otherClients.push(`${name}=${rest}`);
  }
  for (const [name, added] of listed)
    change(name, (settings) => ({ ...settings, clients: [...added, ...(settings.clients ?? [])] }));

  const take = (texts: readonly string[], key: 'virtualPorts' | 'renditions'): readonly string[] =>
    texts.filter((text) => {
      const { stream, rest } = splitName(text);
      if (stream === null || !streams.has(stream)) return true;
      change(stream, (settings) => ({ ...settings, [key]: settings[key] ?? rest }));
      return false;
    });
  const [ports, otherRenditions] = [
    take(virtualPorts === undefined ? [] : asList(virtualPorts), 'virtualPorts'),
    take(renditions === undefined ? [] : asList(renditions), 'renditions'),
  ];
  return {
    ...common,
    ...(unnamed.length === 0 ? {} : { source: unnamed }),
    streams: Object.fromEntries(streams),
    ...(otherClients.length === 0 ? {} : { clients: otherClients }),
    ...(ports.length === 0 ? {} : { virtualPorts: ports }),
    ...(otherRenditions.length === 0 ? {} : { renditions: otherRenditions }),
  };
}

function asList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

import { dirname, resolve } from 'node:path';
import { errorText } from '../../shared/errors.ts';
import { systemErrorText } from '../../shared/system-errors.ts';
import { parseBitrate } from './bit-rate.ts';
import { splitName } from './client-address.ts';
import type { Formats, ParsedConfig } from './config-file.ts';
import type { GivenOptions } from './flags.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { redactorOf } from './options.ts';
import { ConfigError, invalid, OptionError } from './problem.ts';
import type { Config } from './schema.ts';
import { readBeginning, readTextFile } from './secret-file.ts';
import { textPorts } from './stream-settings.ts';
import { suggest } from './suggest.ts';

/** Name of the configuration file that is read without `--config`. */
export const DEFAULT_CONFIG_FILE = 'gateway.yaml';

/** Maximum size of a file with a certificate chain or a key. */
const MAX_PEM_BYTES = 1 << 20;

/** How a configuration is read. */
export interface LoadOptions {
  readonly formats: Formats;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Options that take precedence over the file, the most important ones last. */
  readonly given: readonly GivenOptions[];
  /**
   * Checks the options as a whole, and returns the names of the streams; undefined if they are not known.
   *
   * @throws {OptionError}.
   */
  readonly check: (options: GatewayOptions) => readonly string[] | undefined;
  /** Content to use instead of that of the file. If absent, the file is read. */
  readonly content?: Buffer;
}

/** Options from a configuration file, environment variables and flags. */
export interface LoadedOptions {
  readonly options: GatewayOptions;
  /** Further files that were read: certificate and key of TLS. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
  /** Whether the file sets no option; false without a file. */
  readonly isEmpty: boolean;
}

/**
 * Reads a configuration file and merges it with the options that take precedence.
 *
 * @param file path of the file; null for none.
 * @throws {ConfigError} `config-invalid` with all problems of the file, and `option-invalid` for the other options.
 */
export async function loadOptions(
  file: string | null,
  { formats, variables, given, check, content }: LoadOptions,
): Promise<LoadedOptions> {
  const parsed = file === null ? null : await readConfigFile(file, formats, variables, content);
  const folder = dirname(resolve(file ?? '.'));
  const config = parsed?.config ?? {};
  try {
    const { options, files } = await merge(config, folder, given);
    const names = check(options);
    return {
      options,
      files,
      warnings: [
        ...(parsed?.hasSecrets === true && parsed.isPublic
          ? [`${file} contains tokens and can be read by every user of this machine; run chmod 600 on it`]
          : []),
        ...(names === undefined ? [] : findUnknownStreams(options, names)),
      ],
      isEmpty: parsed !== null && Object.keys(config).length === 0,
    };
  } catch (error) {
    // Errors of sources have no path.
    const path = error instanceof OptionError ? error.path : ['streams'];
    const [key] = path;
    // Problems of options that are not in the file are not attributed to the file.
    if (parsed === null || file === null || key === undefined || !Object.hasOwn(config, key)) throw error;
    throw new ConfigError(file, [
      {
        ...parsed.locate(path),
        message: errorText(redactorOf(config as GatewayOptions).error(error)),
      },
    ]);
  }
}

/**
 * Warnings for streams that tokens and webhooks name, but that do not exist. They may be created later, or be streams of
 * another gateway of a cluster.
 */
function findUnknownStreams(
  { tokens = {}, webhooks = {}, cluster }: GatewayOptions,
  names: readonly string[],
): readonly string[] {
  if (cluster !== undefined) return [];
  return Object.entries({ tokens, webhooks }).flatMap(([kind, entries]) =>
    Object.entries<{ readonly streams?: readonly string[] }>(entries).flatMap(([name, { streams = [] }]) =>
      streams
        .filter((stream) => !names.includes(stream))
        .map((stream) => {
          const similar = suggest(stream, names);
          return `${kind}.${name}.streams has ${stream}, which is not a stream at present${similar === null ? '' : `; did you mean ${similar}?`}`;
        }),
    ),
  );
}

/** @throws {ConfigError} if the file cannot be read or has problems. */
async function readConfigFile(
  file: string,
  formats: Formats,
  variables: LoadOptions['variables'],
  content: Buffer | undefined,
): Promise<ParsedConfig & { readonly isPublic: boolean }> {
  // The parser takes a tenth of the gateway's start-up time.
  const { MAX_CONFIG_BYTES, parseConfig } = await import('./config-file.ts');
  let read: Awaited<ReturnType<typeof readBeginning>>;
  try {
    // One byte more than allowed, to detect larger files.
    read =
      content === undefined ? await readBeginning(file, MAX_CONFIG_BYTES + 1) : { bytes: content, isPublic: false };
  } catch (error) {
    throw new ConfigError(file, [
      { line: null, column: null, message: `the configuration cannot be read: ${systemErrorText(error)}` },
    ]);
  }
  const parsed = await parseConfig(read.bytes, formats, { variables, folder: dirname(resolve(file)) });
  if (parsed.problems.length > 0) throw new ConfigError(file, parsed.problems);
  return { ...parsed, isPublic: read.isPublic };
}

async function merge(
  config: Config,
  folder: string,
  given: readonly GivenOptions[],
): Promise<Pick<LoadedOptions, 'options' | 'files'>> {
  const { streams, tls, virtualPorts, viewerMaxBitrate, auditLog, stateDir, ...rest } = config;
  let paths: { cert?: string; key?: string } | undefined =
    tls === undefined ? undefined : { cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) };
  let bitrate = viewerMaxBitrate;
  let merged: Omit<GatewayOptions, 'tls'> = {
    ...rest,
    ...(auditLog === undefined ? {} : { auditLog: resolve(folder, auditLog) }),
    ...(stateDir === undefined ? {} : { stateDir: resolve(folder, stateDir) }),
    ...(streams === undefined ? {} : { streams: textPorts(streams) }),
    ...(virtualPorts === undefined ? {} : { virtualPorts: String(virtualPorts) }),
  };
  for (const {
    source,
    clients,
    virtualPorts: ports,
    renditions,
    reservedPorts,
    tls: tlsFiles,
    viewerMaxBitrate: givenBitrate,
    ...others
  } of given) {
    // Sources replace the streams of the file; clients add to them.
    const { streams: before = {}, ...common } = merged;
    const kept =
      source === undefined
        ? withoutNamed(withoutNamed(before, 'virtualPorts', ports ?? []), 'renditions', renditions ?? [])
        : {};
    merged = {
      ...common,
      ...others,
      ...(Object.keys(kept).length > 0 ? { streams: kept } : {}),
      ...(source === undefined ? {} : { source }),
      ...(clients === undefined ? {} : { clients: [...(common.clients ?? []), ...clients] }),
      ...(ports === undefined ? {} : { virtualPorts: mergeNamed(common.virtualPorts ?? [], ports) }),
      ...(renditions === undefined ? {} : { renditions: mergeNamed(common.renditions ?? [], renditions) }),
      ...(reservedPorts === undefined || Object.keys(reservedPorts).length === 0 ? {} : { reservedPorts }),
    };
    paths = tlsFiles ?? paths;
    bitrate = givenBitrate ?? bitrate;
  }
  if (merged.source === undefined && merged.streams === undefined) merged = { ...merged, source: 'test-pattern:' };
  return {
    options: {
      ...merged,
      ...(paths === undefined ? {} : { tls: await readTls(paths) }),
      ...(bitrate === undefined ? {} : { viewerMaxBitrate: parseBitrate(String(bitrate)) }),
    },
    files: [paths?.cert, paths?.key].filter((path) => path !== undefined),
  };
}

/** The entries of both lists, `NAME=VALUE` or `VALUE`; a later one replaces an earlier one of the same name. */
function mergeNamed(before: string | readonly string[], entries: readonly string[]): readonly string[] {
  const names = new Set(entries.map((text) => splitName(text).stream));
  return [
    ...(typeof before === 'string' ? [before] : before).filter((text) => !names.has(splitName(text).stream)),
    ...entries,
  ];
}

/** The streams without the options that a list with `NAME=VALUE` entries replaces. */
function withoutNamed(
  streams: NonNullable<GatewayOptions['streams']>,
  key: 'virtualPorts' | 'renditions',
  entries: readonly string[],
): NonNullable<GatewayOptions['streams']> {
  const names = new Set(entries.map((text) => splitName(text).stream));
  return Object.fromEntries(
    Object.entries(streams).map(([name, settings]) => {
      const { [key]: _, ...rest } = settings;
      return [name, names.has(name) ? rest : settings];
    }),
  );
}

async function readTls({ cert, key }: { readonly cert?: string; readonly key?: string }): Promise<{
  readonly cert: string;
  readonly key: string;
}> {
  if (cert === undefined || key === undefined)
    throw invalid('only one of --tls-cert and --tls-key is given, expected both');
  const read = async (name: 'cert' | 'key', path: string): Promise<string> => {
    try {
      return (await readTextFile(path, MAX_PEM_BYTES)).text;
    } catch (error) {
      throw new OptionError(['tls', name], `--tls-${name} cannot be read: ${errorText(error)}`, { cause: error });
    }
  };
  return { cert: await read('cert', cert), key: await read('key', key) };
}

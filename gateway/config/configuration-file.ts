import { GearwayError } from '../../shared/errors.ts';
import type { ConfigurationStatus } from '../../shared/status.ts';
import type { GatewayOptions, StreamSettings } from './gateway-options.ts';
import { type LoadedOptions, type LoadOptions, loadOptions } from './load-config.ts';
import { ConfigError } from './problem.ts';
import { readVersion, replaceFile } from '../process/replace-file.ts';
import { isSameStream, type NamedStreams, streamOf } from './stream-settings.ts';

/** Storage for changes of streams, and the options last read from it. */
export interface ConfigurationStore {
  /**
   * Writes the options of a stream; null removes it.
   *
   * @returns all options, as they will be after a restart.
   * @throws {GearwayError} if they cannot be written; the file is then unchanged.
   */
  save(name: string, settings: StreamSettings | null): Promise<GatewayOptions>;
  status(): ConfigurationStatus;
}

interface ConfigurationFileOptions extends LoadOptions {
  /** All streams of some options, by the names of their sources. @throws {GearwayError} for invalid ones. */
  readonly streamsOf: (options: GatewayOptions) => NamedStreams;
}

/** The configuration file of a gateway, with the options of environment and command line that precede it. */
export class ConfigurationFile implements ConfigurationStore {
  readonly path: string;
  readonly #options: ConfigurationFileOptions;
  #loadedAt: string | null = null;
  #problem: string | null = null;
  /** Whether the file had options when it was last read. */
  #hadOptions = false;

  constructor(path: string, options: ConfigurationFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /**
   * Reads the file.
   *
   * @throws {GearwayError} as {@link loadOptions}, and `config-invalid` for a file that has lost all its options: full
   * disks and interrupted copies leave empty files, which would remove all streams and tokens.
   */
  async load(): Promise<LoadedOptions> {
    const loaded = await loadOptions(this.path, this.#options);
    this.#checkOptions(loaded);
    return loaded;
  }

  /** Records the result of reading and applying the file. @param problem null if it was applied. */
  note(problem: string | null): void {
    if (problem === null) this.#loadedAt = new Date().toISOString();
    this.#problem = problem;
  }

  status(): ConfigurationStatus {
    return { file: this.path, loadedAt: this.#loadedAt, problem: this.#problem };
  }

  async save(name: string, settings: StreamSettings | null): Promise<GatewayOptions> {
    const { streamsOf, ...load } = this.#options;
    // These modules parse YAML, and are loaded with the first change.
    const [{ editStream }, { MAX_CONFIG_BYTES }] = await Promise.all([
      import('./edit-file.ts'),
      import('./config-file.ts'),
    ]);
    const version = await readVersion(this.path, MAX_CONFIG_BYTES);
    const before = await loadOptions(this.path, { ...load, content: version.bytes });
    this.#checkOptions(before);
    const { options } = before;
    const text = editStream(version.bytes.toString(), name, streamOf(streamsOf(options), name), settings);
    const { options: after, isEmpty } = await loadOptions(this.path, { ...load, content: Buffer.from(text) });
    if (!isSameStream(streamOf(streamsOf(after), name), settings))
      throw new GearwayError(
        'config-overridden',
        `the stream ${name} cannot be written to ${this.path}, because flags, environment variables, or lists of the file outside of streams set its options; change them there`,
      );
    await replaceFile(this.path, text, version);
    this.#hadOptions = !isEmpty;
    return after;
  }
  #checkOptions({ isEmpty }: LoadedOptions): void {
    if (isEmpty && this.#hadOptions) {
      const message =
        'the file has lost all its options, and may be incomplete; restart the gateway to run without them';
      throw new ConfigError(this.path, [{ line: null, column: null, message }]);
    }
    this.#hadOptions = !isEmpty;
  }
}

import { parseArgs } from 'node:util';
import { ConfigurationFile } from '../../gateway/config/configuration-file.ts';
import { readFlags, parseArgsOptions } from '../../gateway/config/flags.ts';
import { createFormats } from '../../gateway/config/formats.ts';
import { loadOptions } from '../../gateway/config/load-config.ts';
import { readTokens } from '../../gateway/config/token-options.ts';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { createSources } from '../../gateway/create-sources.ts';
import { listStreams } from '../../gateway/stream-editor.ts';
import { SILENT_LOGGER } from '../../shared/logger.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { waitForStatus } from './gateway-process.ts';

/**
 * Default source of a gateway in tests. It is small and slow, because browsers draw each picture without a GPU, in
 * windows of up to 1440 × 1000 pixels.
 */
const SMALL_PATTERN = 'test-pattern:?size=320x180&fps=10';

const FORMATS = createFormats((url) => createSources([url], SILENT_LOGGER));

/**
 * A gateway in the process of the test, with the flags of the command. It starts in a few milliseconds; a
 * {@link GatewayProcess} takes half a second of processor time. For tests that need neither the process nor the built
 * command.
 */
export class LocalGateway implements AsyncDisposable {
  readonly gateway: Gateway;
  /** Without the trailing slash. */
  readonly url: string;
  /** Lines of its log. */
  readonly log: readonly string[];

  private constructor(gateway: Gateway, url: string, log: readonly string[]) {
    this.gateway = gateway;
    this.url = url;
    this.log = log;
  }

  /** @param args as of a {@link GatewayProcess}. */
  static async start(...args: string[]): Promise<LocalGateway> {
    const { values } = parseArgs({ args, allowPositionals: false, options: parseArgsOptions() });
    const { config, source } = values;
    const loading = {
      formats: FORMATS,
      variables: {},
      given: [
        { port: 0, ...(source === undefined && config === undefined ? { source: [SMALL_PATTERN] } : {}) },
        { ...readFlags(values), ...(await readTokens(values, {})).options },
      ],
      // `createGateway` checks them.
      check: () => undefined,
    };
    const file =
      typeof config === 'string' ? new ConfigurationFile(config, { ...loading, streamsOf: listStreams }) : null;
    const { options } = await (file?.load() ?? loadOptions(null, loading));
    const log: string[] = [];
    const gateway = await createGateway({ ...options, log: (line) => log.push(line) }, file);
    try {
      const { url } = await gateway.listen();
      return new LocalGateway(gateway, url.slice(0, -1), log);
    } catch (error) {
      await gateway.close();
      throw error;
    }
  }

  /** The administrator key, which gateways without `--token` have. */
  get key(): string {
    return this.gateway.administratorKey!;
  }

  /** The console's address with the administrator key in it. */
  get administratorUrl(): string {
    return `${this.url}/#key=${this.key}`;
  }

  /** Status of the stream `main`, as the API returns it. */
  async status(): Promise<StreamStatus> {
    return (await (await fetch(`${this.url}/api/streams/main`)).json()) as StreamStatus;
  }

  /** As {@link waitForStatus}. */
  statusWhere(what: string, fits: (status: StreamStatus) => boolean, timeoutMs?: number): Promise<StreamStatus> {
    return waitForStatus(this, what, fits, timeoutMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.gateway.close();
  }
}

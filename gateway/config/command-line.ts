/** The command `gearway`: parses the command line, and runs a gateway until it is stopped. */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { SILENT_LOGGER } from '../../shared/logger.ts';
import { createSources } from '../create-sources.ts';
import { CleanLogger } from '../process/clean-logger.ts';
import { endProcess, killProcess } from '../process/end-process.ts';
import { isJournal } from '../process/journal.ts';
import { applyLogOptions, formatEntry, LineLogger, type LineLoggerSettings } from '../process/line-logger.ts';
import { LineWriter, survive } from '../process/line-writer.ts';
import { watchPackageManager } from '../process/parent-watch.ts';
import { formatProcessTitle } from '../process/process-title.ts';
import { SERVICE_VARIABLES, ServiceManager } from '../process/service-manager.ts';
import { redactorOfUrls } from '../sources/redactor.ts';
import { listStreams } from '../stream-editor.ts';
import { ConfigurationFile } from './configuration-file.ts';
import {
  CONFIG_VARIABLE,
  DECLARED_OPTIONS,
  type GivenOptions,
  parseArgsOptions,
  readFlags,
  readVariables,
} from './flags.ts';
import { createFormats } from './formats.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { formatHelp } from './help.ts';
import { keyFolder, writeKeyFile } from './key-file.ts';
import { DEFAULT_CONFIG_FILE, type LoadedOptions, loadOptions } from './load-config.ts';
import { listSources, resolveOptions } from './options.ts';
import { Reload } from './reload.ts';
import { readTokens } from './token-options.ts';

const SHUTDOWN_LIMIT_MS = 1800;

/** How long the process may continue after a signal has aborted its start. */
const FAILED_START_MS = 100;

/**
 * Signals within this time count as one, because npm and the terminal may both send Ctrl+C. A later one ends the
 * process immediately.
 */
const SAME_SIGNAL_MS = 300;

/** Default logger, until the options are known. */
const logSettings: LineLoggerSettings = {
  hasTime: true,
  hasPriority: isJournal(process.stderr.fd, process.env['JOURNAL_STREAM']),
};
const writer = new LineWriter(process.stderr, {
  formatReport: (text) => formatEntry(logSettings, 'warn', {}, text),
});
const log = new CleanLogger(new LineLogger((line) => writer.write(line), logSettings));
survive(process.stdout);

/** A parsed command line. */
interface CommandLine {
  readonly help: boolean;
  readonly version: boolean;
  /** The configuration file; null if there is none. */
  readonly file: string | null;
  /** Options of the environment and of the command line, which take precedence over the file. */
  readonly given: readonly GivenOptions[];
  readonly warnings: readonly string[];
}

/** Parses the command line and the environment. @throws an error whose message is one sentence. */
async function parseCommandLine(
  args: string[],
  variables: Readonly<Record<string, string | undefined>>,
): Promise<CommandLine> {
  const { values } = parseArgs({ args, allowPositionals: false, options: parseArgsOptions() });
  const [help, version] = [values['help'] === true, values['version'] === true];
  // This mode reads no files.
  if (help || version) return { help, version, file: null, given: [], warnings: [] };
  const fromVariables = readVariables(variables);
  const tokens = await readTokens(values, variables);
  const named = values['config'] ?? variables[CONFIG_VARIABLE];
  const file =
    typeof named === 'string' && named !== '' ? named : existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null;
  return {
    help,
    version,
    file,
    given: [fromVariables.given, { ...readFlags(values), ...tokens.options } as GivenOptions],
    warnings: [...fromVariables.warnings, ...tokens.warnings],
  };
}

/** Checks options as a whole, and returns the names of the streams. @throws {GearwayError}. */
function checkOptions(options: GatewayOptions): string[] {
  const sources = createSources(listSources(options), SILENT_LOGGER);
  resolveOptions(
    options,
    sources.map(({ name, entry, source }) => ({ name, entry, serverPorts: source.serverPorts })),
  );
  return sources.map(({ name }) => name);
}

const FORMATS = createFormats((url) => createSources([url], SILENT_LOGGER));

function packageVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        name: string;
        version: string;
      };
      if (name === 'gearway') return version;
    } catch {
      // The root is two levels up in the source tree, three in the build.
    }
  }
  return 'unknown';
}

/**
 * Copies the environment, and removes the options and systemd's variables, so that child processes do not inherit them.
 */
function takeVariables(): Record<string, string | undefined> {
  const taken = { ...process.env };
  for (const name of [...DECLARED_OPTIONS.map(({ variable }) => variable), ...SERVICE_VARIABLES])
    delete process.env[name];
  return taken;
}

/** Prints the administrator key, as a URL for the browser, and writes it to a file for programs. */
function offerKey(key: string, url: string, port: number): void {
  const address = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  process.stdout.write(`Administer it at ${address}#key=${key}\n`);
  const folder = keyFolder(process.env);
  try {
    const file = writeKeyFile(folder, port, key);
    process.stdout.write(`Programs find the key in ${file.path}\n`);
    process.once('exit', () => file.remove());
  } catch (error) {
    log.warn({}, `the administrator key could not be written to ${folder}: ${errorText(error)}`);
  }
}

/** Prints the addresses for other devices, and on a terminal a QR code of the first one. */
async function offerNetworkUrls(urls: readonly string[]): Promise<void> {
  const [first] = urls;
  if (first === undefined) return;
  process.stdout.write(urls.map((url) => `In your network: ${url}\n`).join(''));
  if (!process.stdout.isTTY) return;
  const { renderUnicodeCompact } = await import('uqr');
  process.stdout.write(`${renderUnicodeCompact(first, { border: 2 })}\n`);
}

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  const variables = takeVariables();
  const serviceManager = new ServiceManager(variables, variables['PATH'] ?? '', log);
  if (command === 'probe') {
    const { runProbe } = await import('../probe/command.ts');
    process.exitCode = await runProbe(rest, (text) => process.stdout.write(text));
    return;
  }
  if (command === 'devices') {
    const { runDevices } = await import('../sources/ffmpeg/devices/command.ts');
    process.exitCode = await runDevices(rest, process.env, (text) => process.stdout.write(text));
    return;
  }
  if (command === 'check-config') {
    const { runCheckConfig } = await import('./check-command.ts');
    process.exitCode = await runCheckConfig(rest, { formats: FORMATS, variables, check: checkOptions }, (text) =>
      process.stdout.write(text),
    );
    return;
  }
  if (command === 'token') {
    const [{ runToken }, { readPassword }] = await Promise.all([
      import('./token-command.ts'),
      import('../process/read-password.ts'),
    ]);
    await runToken(rest, {
      readPassword: async () => readPassword(process.stdin, process.stderr),
      print: (text) => process.stdout.write(text),
    });
    return;
  }
  const { file, given, warnings, help, version } = await parseCommandLine(process.argv.slice(2), variables);
  if (help || version) {
    process.stdout.write(help ? formatHelp() : `${packageVersion()}\n`);
    return;
  }
  process.title = formatProcessTitle(process.argv.slice(2));
  const loading = { formats: FORMATS, variables, given, check: checkOptions };
  const configuration = file === null ? null : new ConfigurationFile(file, { ...loading, streamsOf: listStreams });
  const load = async (): Promise<LoadedOptions> => configuration?.load() ?? loadOptions(null, loading);
  const loaded = await load();
  configuration?.note(null);
  const options: GatewayOptions = { ...loaded.options, log };
  applyLogOptions(logSettings, options);
  for (const warning of [...warnings, ...loaded.warnings]) log.warn({}, warning);
  // Loading this module takes half of the start-up time, so commands that end earlier do not load it.
  const { createGateway } = await import('../create-gateway.ts');
  const stopping = new AbortController();
  const starting = createGateway(options, configuration, stopping.signal);
  let configuredOnClose = options.onClose;
  let isStopping = false;
  const stop = (onClose: 'keep' | 'terminate'): void => {
    if (isStopping) return;
    isStopping = true;
    serviceManager.stopping();
    endProcess(process, SHUTDOWN_LIMIT_MS, log);
    stopping.abort();
    starting
      .then(
        (gateway) => gateway.close({ onClose: configuredOnClose ?? onClose }),
        // There is no gateway to close, but the library for NATS cannot abort an attempt to connect.
        () => {
          setTimeout(() => killProcess(process), FAILED_START_MS).unref();
        },
      )
      .catch((error: unknown) => log.error({}, `closing failed: ${errorText(error)}`));
  };
  let reload: Reload | null = null;
  // A terminal that closes sends SIGHUP too.
  const isDaemon = (file !== null || loaded.files.length > 0) && !process.stdin.isTTY;
  onStopSignal(isDaemon ? ['SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) =>
    stop(signal === 'SIGINT' ? 'terminate' : 'keep'),
  );
  if (isDaemon) process.on('SIGHUP', () => reload?.now());
  if (process.env['npm_lifecycle_event'] !== undefined) watchPackageManager(process, () => stop('keep'));
  const gateway = await starting.catch((error: unknown) => {
    if (isStopping) return null;
    throw error;
  });
  if (gateway === null || isStopping) return;
  try {
    const { url, publicUrl, networkUrls, port } = await gateway.listen();
    if (file !== null || loaded.files.length > 0) {
      reload = new Reload({
        file,
        files: loaded.files,
        gateway,
        load,
        onApplied: (applied) => {
          applyLogOptions(logSettings, applied);
          configuredOnClose = applied.onClose;
        },
        onResult: (problem) => configuration?.note(problem),
        log,
      });
      await reload.start();
    }
    process.stdout.write(`Gearway is serving on ${url}\n${publicUrl === null ? '' : `Public address: ${publicUrl}\n`}`);
    serviceManager.ready(process.pid);
    if (publicUrl === null) await offerNetworkUrls(networkUrls);
    if (gateway.administratorKey !== null) offerKey(gateway.administratorKey, publicUrl ?? url, port);
  } catch (error) {
    await gateway.close({ onClose: 'keep' });
    throw error;
  }
}

/**
 * Calls `stop` for each termination signal, and ends the process immediately on the second one. Must be called first:
 * process 1 of a container ignores signals without handlers.
 */
function onStopSignal(signals: readonly NodeJS.Signals[], stop: (signal: NodeJS.Signals) => void): void {
  let firstAtMs: number | null = null;
  for (const signal of signals) {
    process.on(signal, () => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) killProcess(process);
      stop(signal);
    });
  }
}

// Keeps the process alive while the options are read. The timers that wait for pipes do not, because a reload must not
// prevent the process from ending.
const starting = setInterval(() => undefined, 60_000);
main()
  .finally(() => clearInterval(starting))
  .catch((error: unknown) => {
    // Only the first line: Node explains an ambiguous flag in three lines.
    const [sentence = ''] = errorText(error).split('\n', 1);
    // An unexpected argument may be the rest of a password with a space in it.
    writer.write(
      `gearway: ${cleanText(redactorOfUrls(process.argv.slice(2)).hide(sentence.replaceAll(/'[^']*@/g, "'…@")))}`,
    );
    process.exit(
      error instanceof GearwayError ||
        (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
        ? 2
        : 1,
    );
  });

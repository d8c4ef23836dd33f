/** The command `gearway`: parses the command line, and runs a gateway until it is stopped. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { createGateway, type GatewayOptions } from '../create-gateway.ts';
import { endProcess, killProcess } from '../process/end-process.ts';
import { keyFolder, writeKeyFile } from './key-file.ts';
import { LineWriter, survive } from '../process/line-writer.ts';
import { watchPackageManager } from '../process/parent-watch.ts';
import { formatProcessTitle } from '../process/process-title.ts';
import { redactorOfUrls } from '../sources/redactor.ts';
import { readTokens, TOKEN_VARIABLES, type TokenFlags } from './token-options.ts';

const HELP = `Gearway: NetGear streams in the browser

  gearway [options]                      (from a checkout: npm start -- [options])

  --source URL            test-pattern:?size=1280x720&fps=30 (the default),
                          netgear:tcp://127.0.0.1:5555?pattern=1 for a NetGear server that connects to it,
                          ffmpeg:camera, ffmpeg:rtsp://HOST/PATH, ffmpeg:FILE?loop=true, ffmpeg:screen,
                          mjpeg:http://HOST/PATH for MJPEG or still pictures over HTTP,
                          directory:FOLDER, image:FILE, imagezmq:tcp://0.0.0.0:5555, netgear-async:tcp://127.0.0.1:5555,
                          push: for publishers; repeatable as NAME=URL, one stream each (docs/source-urls.md)
  --client ADDRESS        a NetGear client, tcp://127.0.0.1:5567?pattern=1 (repeatable)
                          &secure=1 for secure mode, &fps= to limit the rate, &id= for another port as identity,
                          NAME= before it for a stream other than the first
  --virtual-ports RANGE   ports for web viewers, 6000-6063; NAME=RANGE for one stream (repeatable)
  --start any|all         all: hold frames until every native client has connected once (any)
  --distribution broadcast|round-robin   send every frame to all native clients, or to one in turn (broadcast)
  --on-source-end wait|terminate   whether to terminate native clients when the source ends (wait)
  --renditions auto|off   whether viewers with slow links get smaller pictures; NAME=off for one stream (auto)
  --viewer-max-bitrate RATE   maximum bit rate of one web viewer, 4M or 500k bits per second
  --host ADDRESS          address to listen on, 127.0.0.1; others require --token or --insecure
  --port NUMBER           8080; 0 for any free port
  --token SECRET          require this token; it grants all rights
  --view-token SECRET     token that grants watching only
  --publish-token SECRET  token that grants publishing to push: sources only
  --reserve PORT=SECRET   reserve a virtual port for the owner of this token (repeatable)
  --token-file FILE, --view-token-file FILE, --publish-token-file FILE, --reserve-file FILE
                          read these secrets from files (PORT=SECRET per line); or set GEARWAY_TOKEN,
                          GEARWAY_VIEW_TOKEN, GEARWAY_PUBLISH_TOKEN, GEARWAY_RESERVE: other users can see arguments
  --insecure              let anyone who can reach this gateway watch and return data
  --tls-cert FILE --tls-key FILE   serve over TLS (PEM); browsers require it to use a camera from another machine
  --allow-origin URL      let pages of this origin embed the viewer (repeatable)
  --public-url URL        public address of the gateway behind a proxy, https://example.org/cams/ (docs/behind-a-proxy.md)
  --allow-host NAME       additional host name of the gateway, box.lan (repeatable)
  --trust-proxy ADDRESS   trust client addresses from this proxy: an IP address, 10.0.0.0/8, loopback (repeatable)
  --metrics-right view|administer|public   right that GET /metrics requires (view)
  --on-close keep|terminate   whether to terminate native clients (default: terminate on SIGINT, keep on SIGTERM)
  --idle card|silence     send a placeholder frame to native clients while there are no frames, or nothing (card)
  --help, --version

  gearway probe ADDRESS   diagnoses a NetGear address
  gearway devices         lists cameras and screens, each with its --source
`;

const SHUTDOWN_LIMIT_MS = 1800;

/**
 * Signals within this time count as one, because npm and the terminal may both send Ctrl+C. A later one ends the
 * process immediately.
 */
const SAME_SIGNAL_MS = 300;

const log = new LineWriter(process.stderr);
survive(process.stdout);

/** Parses the command line and the tokens of the environment. @throws an error whose message is one sentence. */
function parseCommandLine(args: string[], tokenVariables: Readonly<Record<string, string>>): { options: GatewayOptions; warnings: readonly string[]; help: boolean; version: boolean } {
  const { values } = parseArgs({
    args,
    allowPositionals: false,
    options: {
      source: { type: 'string', multiple: true, default: ['test-pattern:'] },
      client: { type: 'string', multiple: true, default: [] },
      'virtual-ports': { type: 'string', multiple: true, default: [] },
      renditions: { type: 'string', multiple: true, default: [] },
      'viewer-max-bitrate': { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      token: { type: 'string' },
      'token-file': { type: 'string' },
      'view-token': { type: 'string' },
      'view-token-file': { type: 'string' },
      'publish-token': { type: 'string' },
      'publish-token-file': { type: 'string' },
      reserve: { type: 'string', multiple: true, default: [] },
      'reserve-file': { type: 'string' },
      insecure: { type: 'boolean', default: false },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      'allow-origin': { type: 'string', multiple: true, default: [] },
      'public-url': { type: 'string' },
      'allow-host': { type: 'string', multiple: true, default: [] },
      'trust-proxy': { type: 'string', multiple: true, default: [] },
      'on-close': { type: 'string' },
      'on-source-end': { type: 'string' },
      start: { type: 'string' },
      distribution: { type: 'string' },
      idle: { type: 'string' },
      'metrics-right': { type: 'string' },
      help: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.port !== undefined && !/^\d{1,5}$/.test(values.port)) throw new GearwayError('option-invalid', `--port is ${JSON.stringify(values.port)}, expected 0 to 65535`);
  // With --help no files are read.
  const flags: TokenFlags = values.help || values.version ? { reserve: [] } : values;
  const tokens = readTokens(flags, tokenVariables);
  const options: GatewayOptions = {
    source: values.source,
    clients: values.client,
    insecure: values.insecure,
    allowOrigins: values['allow-origin'],
    log: (message) => log.write(`${new Date().toISOString()} ${message}`),
    allowHosts: values['allow-host'],
    trustProxies: values['trust-proxy'],
    ...(values['public-url'] === undefined ? {} : { publicUrl: values['public-url'] }),
    virtualPorts: values['virtual-ports'],
    renditions: values.renditions,
    ...(values['viewer-max-bitrate'] === undefined ? {} : { viewerMaxBitrate: parseBitrate('--viewer-max-bitrate', values['viewer-max-bitrate']) }),
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    ...tokens.options,
    ...readTls(values['tls-cert'], values['tls-key']),
    // Invalid values are rejected by resolveOptions.
    ...(values['on-close'] === undefined ? {} : { onClose: values['on-close'] as 'keep' }),
    ...(values['on-source-end'] === undefined ? {} : { onSourceEnd: values['on-source-end'] as 'wait' }),
    ...(values.start === undefined ? {} : { start: values.start as 'any' }),
    ...(values.distribution === undefined ? {} : { distribution: values.distribution as 'broadcast' }),
    ...(values['metrics-right'] === undefined ? {} : { metricsRight: values['metrics-right'] as 'view' }),
    ...(values.idle === undefined ? {} : { idle: values.idle as 'card' }),
  };
  return { options, warnings: tokens.warnings, help: values.help, version: values.version };
}

/** Parses `4M`, `500k` or bits per second. */
function parseBitrate(option: string, text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,3})?)([kM]?)$/.exec(text) ?? [];
  if (digits === undefined) throw new GearwayError('option-invalid', `${option} is ${JSON.stringify(text)}, expected bits per second such as 500k or 4M`);
  return Number(digits) * (unit === 'M' ? 1e6 : unit === 'k' ? 1e3 : 1);
}

function readTls(certFile: string | undefined, keyFile: string | undefined): Pick<GatewayOptions, 'tls'> {
  if (certFile === undefined && keyFile === undefined) return {};
  if (certFile === undefined || keyFile === undefined) throw new GearwayError('option-invalid', 'only one of --tls-cert and --tls-key is given, expected both');
  const read = (name: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new GearwayError('option-invalid', `${name} cannot be read: ${errorText(error)}`, { cause: error });
    }
  };
  return { tls: { cert: read('--tls-cert', certFile), key: read('--tls-key', keyFile) } };
}

function packageVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { name: string; version: string };
      if (name === 'gearway') return version;
    } catch {
      // Two levels up from source, three from the build.
    }
  }
  return 'unknown';
}

/** Removes the tokens from the environment, so that child processes do not inherit them. */
function takeTokenVariables(): Record<string, string> {
  const taken: Record<string, string> = {};
  for (const name of TOKEN_VARIABLES) {
    const value = process.env[name];
    if (value !== undefined) taken[name] = value;
    delete process.env[name];
  }
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
    log.write(`gearway: warning: the administrator key could not be written to ${folder}: ${errorText(error)}`);
  }
}

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  const tokenVariables = takeTokenVariables();
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
  const { options, warnings, help, version } = parseCommandLine(process.argv.slice(2), tokenVariables);
  if (help || version) {
    process.stdout.write(help ? HELP : `${packageVersion()}\n`);
    return;
  }
  process.title = formatProcessTitle(process.argv.slice(2));
  for (const warning of warnings) log.write(`gearway: warning: ${warning}`);
  const starting = createGateway(options);
  let isStopping = false;
  const stop = (onClose: 'keep' | 'terminate'): void => {
    if (isStopping) return;
    isStopping = true;
    endProcess(process, SHUTDOWN_LIMIT_MS, (message) => log.write(message));
    starting
      .then((gateway) => gateway.close({ onClose: options.onClose ?? onClose }))
      .catch((error: unknown) => log.write(`gearway: closing failed: ${errorText(error)}`));
  };
  onStopSignal((signal) => stop(signal === 'SIGINT' ? 'terminate' : 'keep'));
  if (process.env['npm_lifecycle_event'] !== undefined) watchPackageManager(process, () => stop('keep'));
  const gateway = await starting;
  if (isStopping) return;
  try {
    const { url, publicUrl, port } = await gateway.listen();
    process.stdout.write(`Gearway is serving on ${url}\n${publicUrl === null ? '' : `Public address: ${publicUrl}\n`}`);
    if (gateway.administratorKey !== null) offerKey(gateway.administratorKey, publicUrl ?? url, port);
  } catch (error) {
    await gateway.close({ onClose: 'keep' });
    throw error;
  }
}

/**
 * Calls `stop` for each termination signal, and ends the process immediately on the second one. Must be called first:
 * process 1 of a container ignores these signals unless it has handlers.
 */
function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAtMs: number | null = null;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) killProcess(process);
      stop(signal);
    });
  }
}

main().catch((error: unknown) => {
  // Only the first line: Node explains an ambiguous flag in three lines.
  const [sentence = ''] = errorText(error).split('\n', 1);
  // An unexpected argument may be the rest of a password with a space in it.
  log.write(`gearway: ${cleanText(redactorOfUrls(process.argv.slice(2)).hide(sentence.replaceAll(/'[^']*@/g, "'…@")))}`);
  process.exit(error instanceof GearwayError || (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) ? 2 : 1);
});

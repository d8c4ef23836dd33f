#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cleanText } from '../shared/clean-text.ts';
import { errorText, GearwayError } from '../shared/errors.ts';
import { createGateway, type GatewayOptions } from './create-gateway.ts';
import { LineWriter, survive } from './line-writer.ts';
import { watchPackageManager } from './parent-watch.ts';
import { formatProcessTitle } from './process-title.ts';
import { redactorOfUrls } from './sources/redactor.ts';

const HELP = `Gearway: NetGear streams in the browser

  gearway [options]                      (from a checkout: npm start -- [options])

  --source URL            test-pattern:?size=1280x720&fps=30 (the default),
                          netgear:tcp://127.0.0.1:5555?pattern=1, where a NetGear server connects to,
                          ffmpeg:camera, ffmpeg:rtsp://HOST/PATH, ffmpeg:FILE?loop=true, ffmpeg:screen,
                          directory:FOLDER, imagezmq:tcp://0.0.0.0:5555, netgear-async:tcp://127.0.0.1:5555,
                          push: for whoever publishes; repeatable as NAME=URL, a stream each (docs/sources.md)
  --client ADDRESS        a NetGear client, tcp://127.0.0.1:5567?pattern=1 (repeatable)
                          &secure=1 for its secure mode, &fps= for fewer frames, &id= for another identity,
                          NAME= before it for another stream than the first
  --virtual-ports RANGE   ports for web viewers, 6000-6063; NAME=RANGE for one stream (repeatable)
  --start any|all         whether frames wait until each native client was there once (any)
  --distribution broadcast|round-robin   every frame to each native client, or to one of them in turn (broadcast)
  --on-source-end wait|terminate   whether native clients end with the source (wait)
  --host ADDRESS          where to listen, 127.0.0.1; beyond this machine only with --token or --insecure
  --port NUMBER           8080; 0 takes any free port
  --token SECRET          ask viewers and programs for it
  --view-token SECRET     who shows this one instead may watch, and not return data
  --publish-token SECRET  who shows this one may send frames to a source push:, and no more
  --reserve PORT=SECRET   keep a virtual port for who shows this token (repeatable)
  --insecure              let anyone who reaches this gateway watch and return data
  --tls-cert FILE --tls-key FILE   serve over TLS (PEM): browsers ask for it before a page of another machine may use a camera
  --allow-origin URL      let pages of this origin embed the viewer (repeatable)
  --public-url URL        address of the gateway behind a proxy, https://example.org/cams/ (docs/behind-a-proxy.md)
  --allow-host NAME       another name by which browsers reach the gateway, box.lan (repeatable)
  --trust-proxy ADDRESS   take the addresses of clients from this proxy: an IP address, 10.0.0.0/8, loopback (repeatable)
  --on-close keep|terminate   whether native clients are ended too (default: terminate on SIGINT, keep on SIGTERM)
  --idle card|silence     what native clients get while there are no frames (card)
  --help, --version

  gearway probe ADDRESS   says who is at a NetGear address, and what does not fit
  gearway devices         lists cameras and screens, each with its --source
`;

const SHUTDOWN_LIMIT_MS = 1800;

/** npm and the terminal may both send the same Ctrl+C. A second one after this ends the process immediately. */
const SAME_SIGNAL_MS = 300;

const log = new LineWriter(process.stderr);
survive(process.stdout);

/** Reads the command line. @throws an error whose message is one sentence. */
function parseCommandLine(args: string[]): { options: GatewayOptions; help: boolean; version: boolean } {
  const { values } = parseArgs({
    args,
    allowPositionals: false,
    options: {
      source: { type: 'string', multiple: true, default: ['test-pattern:'] },
      client: { type: 'string', multiple: true, default: [] },
      'virtual-ports': { type: 'string', multiple: true, default: [] },
      host: { type: 'string' },
      port: { type: 'string' },
      token: { type: 'string' },
      'view-token': { type: 'string' },
      'publish-token': { type: 'string' },
      reserve: { type: 'string', multiple: true, default: [] },
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
      help: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.port !== undefined && !/^\d{1,5}$/.test(values.port)) throw new GearwayError('option-invalid', `--port is ${JSON.stringify(values.port)}, expected 0 to 65535`);
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
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    ...(values.token === undefined ? {} : { token: values.token }),
    ...(values['view-token'] === undefined ? {} : { viewToken: values['view-token'] }),
    ...(values['publish-token'] === undefined ? {} : { publishToken: values['publish-token'] }),
    ...readTls(values['tls-cert'], values['tls-key']),
    reservedPorts: parseReserved(values.reserve),
    // What is neither is refused by resolveOptions, with its sentence.
    ...(values['on-close'] === undefined ? {} : { onClose: values['on-close'] as 'keep' }),
    ...(values['on-source-end'] === undefined ? {} : { onSourceEnd: values['on-source-end'] as 'wait' }),
    ...(values.start === undefined ? {} : { start: values.start as 'any' }),
    ...(values.distribution === undefined ? {} : { distribution: values.distribution as 'broadcast' }),
    ...(values.idle === undefined ? {} : { idle: values.idle as 'card' }),
  };
  return { options, help: values.help, version: values.version };
}

function parseReserved(texts: readonly string[]): Record<number, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const match = /^(\d{1,5})=(.+)$/.exec(text);
      // Without the text: it may hold a secret.
      if (match === null) throw new GearwayError('option-invalid', 'a --reserve is not PORT=SECRET, such as 6007=abc');
      return [match[1], match[2]];
    }),
  ) as Record<number, string>;
}

function readTls(certFile: string | undefined, keyFile: string | undefined): Pick<GatewayOptions, 'tls'> {
  if (certFile === undefined && keyFile === undefined) return {};
  if (certFile === undefined || keyFile === undefined) throw new GearwayError('option-invalid', '--tls-cert and --tls-key come together, expected both');
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
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { name: string; version: string };
      if (name === 'gearway') return version;
    } catch {
      // One level up from source, two from the build.
    }
  }
  return 'unknown';
}

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === 'probe') {
    const { runProbe } = await import('./probe/command.ts');
    process.exitCode = await runProbe(rest, (text) => process.stdout.write(text));
    return;
  }
  if (command === 'devices') {
    const { runDevices } = await import('./sources/ffmpeg/devices/command.ts');
    process.exitCode = await runDevices(rest, process.env, (text) => process.stdout.write(text));
    return;
  }
  const { options, help, version } = parseCommandLine(process.argv.slice(2));
  if (help || version) {
    process.stdout.write(help ? HELP : `${packageVersion()}\n`);
    return;
  }
  process.title = formatProcessTitle(process.argv.slice(2));
  const starting = createGateway(options);
  let isStopping = false;
  const stop = (onClose: 'keep' | 'terminate'): void => {
    if (isStopping) return;
    isStopping = true;
    // Whatever a peer or a library holds on to: a stopped gateway ends.
    setTimeout(() => process.exit(0), SHUTDOWN_LIMIT_MS).unref();
    starting
      .then((gateway) => gateway.close({ onClose: options.onClose ?? onClose }))
      .catch((error: unknown) => log.write(`gearway: closing failed: ${errorText(error)}`))
      .finally(() => process.exit(0));
  };
  onStopSignal((signal) => stop(signal === 'SIGINT' ? 'terminate' : 'keep'));
  if (process.env['npm_lifecycle_event'] !== undefined) watchPackageManager(process, () => stop('keep'));
  const gateway = await starting;
  if (isStopping) return;
  try {
    const { url, publicUrl } = await gateway.listen();
    process.stdout.write(`Gearway is serving on ${url}\n${publicUrl === null ? '' : `Public address: ${publicUrl}\n`}`);
  } catch (error) {
    await gateway.close({ onClose: 'keep' });
    throw error;
  }
}

/**
 * Calls `stop` for each signal that asks for an end, and ends the process at the second one. The handlers are needed before anything
 * else runs: as process 1 of a container, a process without them ignores all of these signals.
 */
function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAtMs: number | null = null;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(1);
      stop(signal);
    });
  }
}

main().catch((error: unknown) => {
  // One sentence: Node explains an ambiguous flag in three lines.
  const [sentence = ''] = errorText(error).split('\n', 1);
  // A stray argument may be the rest of a password with a space in it.
  log.write(`gearway: ${cleanText(redactorOfUrls(process.argv.slice(2)).hide(sentence.replaceAll(/'[^']*@/g, "'…@")))}`);
  process.exit(error instanceof GearwayError || (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) ? 2 : 1);
});

import { platform } from 'node:os';
import { GearwayError } from '../shared/errors.ts';
import { ImageHub } from './sources/imagezmq/image-hub.ts';
import { type NetGearAddress, parseFlag, parseNetGearAddress } from './netgear/address.ts';
import { checkModes } from './netgear/modes.ts';
import { DirectorySource, parseDirectory } from './sources/directory/directory-source.ts';
import { FFMPEG_OPTIONS } from './sources/ffmpeg/ffmpeg-options.ts';
import { FfmpegTools } from './sources/ffmpeg/ffmpeg-tools.ts';
import { FfmpegSource } from './sources/ffmpeg/ffmpeg-source.ts';
import { ImagezmqSource, parseImagezmq, streamOfSender } from './sources/imagezmq/imagezmq-source.ts';
import { NetGearAsyncSource, parseNetGearAsync } from './sources/netgear-async/netgear-async-source.ts';
import { NetGearSource, type ReturnsMode } from './sources/netgear/netgear-source.ts';
import { parsePush, PushSource } from './sources/push/push-source.ts';
import { RedactedSource } from './sources/redacted-source.ts';
import { createRedactor, wordsOf } from './sources/redactor.ts';
import { parseSourceUrl, readFlag, type SourceUrl } from './config/source-url.ts';
import type { Source } from './sources/source.ts';
import { parseTestPattern, TestPatternSource } from './sources/test-pattern/test-pattern-source.ts';

/** A source, and the stream that it feeds. */
export interface NamedSource {
  readonly name: string;
  readonly source: Source;
  /** Whether it sleeps while nobody watches. */
  readonly isOnDemand: boolean;
}

/** What a source's URL asks for. */
interface Request {
  /** The stream's name; null when none was given. */
  readonly name: string | null;
  readonly url: string;
  readonly log: (message: string) => void;
  /** FFmpeg, for all sources that it reads. */
  readonly ffmpeg: FfmpegTools;
}

interface Kind {
  /** How its URLs look, for people. */
  readonly example: string;
  create(request: Request): readonly NamedSource[];
}

/** By the scheme of their URLs. */
const KINDS: ReadonlyMap<string, Kind> = new Map(Object.entries<Kind>({
  'test-pattern': {
    example: 'test-pattern:',
    create: (request) => createOnDemand(request, ['size', 'fps'], (url) => new TestPatternSource(parseTestPattern(url))),
  },
  ffmpeg: {
    example: 'ffmpeg:camera',
    create: (request) => createOnDemand(request, FFMPEG_OPTIONS, (url) => new FfmpegSource(url, request.ffmpeg)),
  },
  directory: {
    example: 'directory:FOLDER',
    create: (request) => createOnDemand(request, ['fps', 'loop', 'watch', 'check'], (url) => new DirectorySource(parseDirectory(url))),
  },
  netgear: { example: 'netgear:tcp://HOST:PORT?pattern=1', create: createNetGear },
  'netgear-async': {
    example: 'netgear-async:tcp://HOST:PORT',
    create: ({ name, url, log }) => [{ name: name ?? DEFAULT_NAME, source: new NetGearAsyncSource(parseNetGearAsync(parseSourceUrl(url, ['pattern', 'returns', 'capturedAt'])), log), isOnDemand: false }],
  },
  imagezmq: { example: 'imagezmq:tcp://0.0.0.0:5555', create: createImagezmq },
  push: { example: 'push:', create: ({ name, url }) => [{ name: name ?? DEFAULT_NAME, source: new PushSource(parsePush(parseSourceUrl(url, ['takeOver', 'check']))), isOnDemand: false }] },
}));

/** The stream of a source that names none. */
const DEFAULT_NAME = 'main';

/** Most streams of a gateway. */
const MAX_STREAMS = 64;

/**
 * Makes the sources that URLs name, `NAME=URL` or `URL` for the stream called `main`: one each, or for servers in multi-servers mode one
 * a port.
 *
 * @throws {GearwayError} `source-invalid`, and what the parser of its kind throws.
 */
export function createSources(urls: readonly string[], log: (message: string) => void): readonly NamedSource[] {
  const ffmpeg = new FfmpegTools(platform());
  const all = urls.flatMap((text) => {
    const [, name = null, url = text] = /^([A-Za-z0-9_-]{1,64})=(.*)$/s.exec(text) ?? [];
    const kind = KINDS.get(url.split(':', 1)[0] ?? '');
    if (kind === undefined || !url.includes(':')) {
      throw new GearwayError('source-invalid', `source is ${JSON.stringify(text)}, expected one of ${[...KINDS.values()].map(({ example }) => example).join(' ')}, with NAME= before it to name its stream`);
    }
    return kind.create({ name, url, log, ffmpeg });
  });
  const names = all.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new GearwayError('source-invalid', `two sources feed the stream ${twice}, expected one each: name them, as in --source door=URL --source yard=URL`);
  if (all.length === 0 || all.length > MAX_STREAMS) throw new GearwayError('source-invalid', `there are ${all.length} streams, expected 1 to ${MAX_STREAMS}`);
  return all;
}

/** A source that the gateway starts itself, and need not while nobody watches. Only addresses of such sources can have passwords in them. */
function createOnDemand({ name, url }: Request, known: readonly string[], create: (url: SourceUrl) => Source): readonly NamedSource[] {
  const parsed = parseSourceUrl(url, [...known, 'onDemand']);
  const redactor = createRedactor([parsed.target], [...parsed.options.values()].flatMap(wordsOf));
  return [{ name: name ?? DEFAULT_NAME, source: new RedactedSource(create(parsed), redactor), isOnDemand: readFlag(parsed.options, 'onDemand') }];
}

/** A stream for all senders, or one for each that is named. */
function createImagezmq({ name, url, log }: Request): readonly NamedSource[] {
  const { senders, ...options } = parseImagezmq(parseSourceUrl(url, ['pattern', 'senders', 'check']));
  const hub = new ImageHub({ ...options, log });
  const create = (sender: string | null): Source => new ImagezmqSource(hub, { ...options, log }, sender);
  if (senders === null) return [{ name: name ?? DEFAULT_NAME, source: create(null), isOnDemand: false }];
  return senders.map((sender) => ({ name: name === null ? streamOfSender(sender) : `${name}-${streamOfSender(sender)}`, source: create(sender), isOnDemand: false }));
}

function createNetGear({ name, url, log }: Request): readonly NamedSource[] {
  const address = parseNetGearAddress(url.slice('netgear:'.length), ['allow', 'multiclient', 'multiserver', 'returns', 'capturedAt', 'check']);
  const sources = createNetGearSources(address, log);
  return sources.map(({ port, source }) => ({ name: port === null ? (name ?? DEFAULT_NAME) : name === null ? port : `${name}-${port}`, source, isOnDemand: false }));
}

/** @returns one source; in multi-servers mode one for each port. */
function createNetGearSources({ ports, endpoints, pattern, security, options }: NetGearAddress, log: (message: string) => void): readonly { readonly port: string | null; readonly source: Source }[] {
  const multiclient = parseFlag(options, 'multiclient');
  const multiserver = parseFlag(options, 'multiserver');
  const returns = options.get('returns');
  checkModes({ pattern, multiclient, multiserver, bidirectional: returns !== undefined, ports: ports.length });
  if (returns !== undefined && returns !== 'merge' && returns !== 'newest') throw new GearwayError('option-invalid', `returns is ${JSON.stringify(returns)}, expected merge or newest`);
  if (returns !== undefined && multiclient) throw new GearwayError('option-invalid', `returns is ${returns} and multiclient is true: a server in multi-clients mode gets each client's data by itself, on its port`);
  const rest = { pattern, security, capturedAt: options.get('capturedAt') ?? null, isChecked: parseFlag(options, 'check'), log };
  const single = (index: number, mode: ReturnsMode): Source => new NetGearSource({ ...rest, returns: mode, endpoints: endpoints.slice(index, index + 1), ports: ports.slice(index, index + 1) });
  if (multiserver) return ports.map((port, index) => ({ port, source: single(index, returns ?? 'merge') }));
  // In pattern 2 every frame comes to every port, and nothing goes back: one port is enough, and there are no server ports.
  if (multiclient && pattern === 'request-reply') return [{ port: null, source: new NetGearSource({ ...rest, returns: 'port', endpoints, ports }) }];
  return [{ port: null, source: single(0, returns ?? 'merge') }];
}

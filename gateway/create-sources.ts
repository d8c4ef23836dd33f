import { platform } from 'node:os';
import { GearwayError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { ImageHub } from './sources/imagezmq/image-hub.ts';
import { type NetGearAddress, parseFlag, parseNetGearAddress } from './netgear/address.ts';
import { checkModes } from './netgear/modes.ts';
import { DirectorySource, parseDirectory, parseImage } from './sources/directory/directory-source.ts';
import { FFMPEG_OPTIONS } from './sources/ffmpeg/ffmpeg-options.ts';
import { FfmpegTools } from './sources/ffmpeg/ffmpeg-tools.ts';
import { FfmpegSource } from './sources/ffmpeg/ffmpeg-source.ts';
import { ImagezmqSource, parseImagezmq, streamOfSender } from './sources/imagezmq/imagezmq-source.ts';
import { MJPEG_OPTIONS, MjpegSource, parseMjpeg } from './sources/mjpeg/mjpeg-source.ts';
import { NetGearAsyncSource, parseNetGearAsync } from './sources/netgear-async/netgear-async-source.ts';
import { NetGearSource, type ReturnsMode } from './sources/netgear/netgear-source.ts';
import { parsePush, PushSource } from './sources/push/push-source.ts';
import { RedactedSource } from './sources/redacted-source.ts';
import { createRedactor, wordsOf } from './sources/redactor.ts';
import { splitName } from './config/client-address.ts';
import { OptionError } from './config/problem.ts';
import { parseSourceUrl, readFlag, type SourceUrl } from './config/source-url.ts';
import { suggest } from './config/suggest.ts';
import type { Source } from './sources/source.ts';
import { parseTestPattern, TestPatternSource } from './sources/test-pattern/test-pattern-source.ts';

/** A source, and the name of its stream. */
export interface NamedSource {
  readonly name: string;
  /**
   * Name in front of the URL, which differs from that of the stream if the URL feeds several; null if there is none.
   */
  readonly entry: string | null;
  /** The source URL, without the name. */
  readonly url: string;
  readonly source: Source;
  /** Whether it is suspended while there are no viewers. */
  readonly isOnDemand: boolean;
}

type CreatedSource = Omit<NamedSource, 'entry' | 'url'> & {
  /** ZeroMQ endpoints at which the source listens; default none. */
  readonly binds?: readonly string[];
};

/** A source to create. */
interface Request {
  /** The stream's name; null if not given. */
  readonly name: string | null;
  readonly url: string;
  readonly log: Logger;
  /** Shared by all sources that use FFmpeg. */
  readonly ffmpeg: FfmpegTools;
}

interface Kind {
  /** Example of a URL, for error messages. */
  readonly example: string;
  create(request: Request): readonly CreatedSource[];
}

/** Kinds of sources, by URL scheme. */
const KINDS: ReadonlyMap<string, Kind> = new Map(
  Object.entries<Kind>({
    'test-pattern': {
      example: 'test-pattern:',
      create: (request) =>
        createOnDemand(request, ['size', 'fps'], (url) => new TestPatternSource(parseTestPattern(url))),
    },
    ffmpeg: {
      example: 'ffmpeg:camera',
      create: (request) => createOnDemand(request, FFMPEG_OPTIONS, (url) => new FfmpegSource(url, request.ffmpeg)),
    },
    mjpeg: {
      example: 'mjpeg:http://HOST/PATH',
      create: (request) => createOnDemand(request, MJPEG_OPTIONS, (url) => new MjpegSource(parseMjpeg(url))),
    },
    directory: {
      example: 'directory:FOLDER',
      create: (request) =>
        createOnDemand(request, ['fps', 'loop', 'watch', 'check'], (url) => new DirectorySource(parseDirectory(url))),
    },
    image: {
      example: 'image:FILE',
      create: (request) => createOnDemand(request, ['check'], (url) => new DirectorySource(parseImage(url))),
    },
    netgear: { example: 'netgear:tcp://HOST:PORT?pattern=1', create: createNetGear },
    'netgear-async': {
      example: 'netgear-async:tcp://HOST:PORT',
      create: ({ name, url, log }) => {
        const options = parseNetGearAsync(parseSourceUrl(url, ['pattern', 'returns', 'capturedAt']));
        return [
          {
            name: name ?? DEFAULT_NAME,
            source: new NetGearAsyncSource(options, log.child({ stream: name ?? DEFAULT_NAME })),
            isOnDemand: false,
            binds: [options.endpoint],
          },
        ];
      },
    },
    imagezmq: { example: 'imagezmq:tcp://0.0.0.0:5555', create: createImagezmq },
    push: {
      example: 'push:',
      create: ({ name, url }) => [
        {
          name: name ?? DEFAULT_NAME,
          source: new PushSource(parsePush(parseSourceUrl(url, ['takeOver', 'check']))),
          isOnDemand: false,
        },
      ],
    },
  }),
);

/** Default name of a stream. */
const DEFAULT_NAME = 'main';

/** Maximum number of streams. */
const MAX_STREAMS = 64;

/**
 * Creates sources from URLs, `NAME=URL`, or `URL` for the stream `main`: one source per URL, or in multi-servers mode
 * one per port.
 *
 * @throws {GearwayError} `source-invalid`, and the errors of the kind's parser.
 */
export function createSources(urls: readonly string[], log: Logger): readonly NamedSource[] {
  const ffmpeg = new FfmpegTools(platform());
  const all = urls.flatMap((text) => {
    const { stream: name, rest: url } = splitName(text);
    const kind = KINDS.get((url.split(':', 1)[0] ?? '').toLowerCase());
    if (kind === undefined || !url.includes(':')) {
      const examples = [...KINDS.values()].map(({ example }) => example).join(' ');
      const similar = similarSource(url);
      const hint = similar === null ? '' : `; did you mean ${similar}?`;
      throw new GearwayError('source-invalid', `source is ${JSON.stringify(text)}, expected one of ${examples}${hint}`);
    }
    return kind.create({ name, url, log, ffmpeg }).map((created) => ({ ...created, entry: name, url }));
  });
  const twice = all.find(({ name }, index) => all.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) {
    const remedy = 'give each source another name: --source NAME=URL, or the key in streams';
    throw new OptionError(pathOf(twice), `the stream ${twice.name} has two sources, expected one; ${remedy}`, {
      code: 'source-invalid',
    });
  }
  checkBinds(all);
  if (all.length === 0 || all.length > MAX_STREAMS)
    throw new GearwayError('source-invalid', `there are ${all.length} streams, expected 1 to ${MAX_STREAMS}`);
  return all;
}

/** Path of a source's option; empty for one without a name. */
function pathOf({ entry }: Pick<NamedSource, 'entry'>): readonly string[] {
  return entry === null ? [] : ['streams', entry, 'source'];
}

/** @throws {GearwayError} `source-invalid` if two sources listen at the same port. */
function checkBinds(sources: readonly (CreatedSource & Pick<NamedSource, 'entry'>)[]): void {
  for (const [index, source] of sources.entries()) {
    const binds = source.binds ?? [];
    // Streams that share a socket have the same list.
    const other = sources
      .slice(0, index)
      .find((each) => each.binds !== binds && each.binds?.some((a) => binds.some((b) => isSameEndpoint(a, b))));
    if (other === undefined) continue;
    const text = `the sources of the streams ${other.name} and ${source.name} listen at the same address, ${binds.join(', ')}`;
    throw new OptionError(pathOf(source), `${text}: give one of them another port`, { code: 'source-invalid' });
  }
}

/** Whether two sockets cannot be bound at the same time. Host names are not resolved. */
function isSameEndpoint(a: string, b: string): boolean {
  if (a === b) return true;
  const [, hostA, portA] = /^tcp:\/\/(.*):(\d+)$/.exec(a) ?? [];
  const [, hostB, portB] = /^tcp:\/\/(.*):(\d+)$/.exec(b) ?? [];
  const isAny = (host: string | undefined): boolean => host === '*' || host === '0.0.0.0' || host === '[::]';
  return portA !== undefined && portA === portB && (hostA === hostB || isAny(hostA) || isAny(hostB));
}

/** The source URL that an invalid one probably means; null if none is similar. */
function similarSource(text: string): string | null {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? [];
  if (/^(?:rtsps?|rtmps?|https?|udp|srt|rtp)$/i.test(scheme)) return `ffmpeg:${text}`;
  if (/^(?:tcp|ipc)$/i.test(scheme)) return `netgear:${text}`;
  const kind = suggest(scheme === '' ? text : scheme, [...KINDS.keys()]);
  if (kind !== null) return `${kind}:${rest}`;
  if (/^(?:\d{1,2}|(?:web)?cam(?:era)?)$/i.test(text)) return 'ffmpeg:camera';
  if (/^(?:screen|desktop)$/i.test(text)) return 'ffmpeg:screen';
  return /^[./~]|\.\w{2,4}$/.test(text) ? `ffmpeg:${text}` : null;
}

/** Creates a source that the gateway can start and suspend. Only addresses of such sources can contain passwords. */
function createOnDemand(
  { name, url }: Request,
  known: readonly string[],
  create: (url: SourceUrl) => Source,
): readonly CreatedSource[] {
  const parsed = parseSourceUrl(url, [...known, 'onDemand']);
  const redactor = createRedactor([parsed.target], [...parsed.options.values()].flatMap(wordsOf));
  return [
    {
      name: name ?? DEFAULT_NAME,
      source: new RedactedSource(create(parsed), redactor),
      isOnDemand: readFlag(parsed.options, 'onDemand'),
    },
  ];
}

/** Creates one stream for all senders, or one for each listed sender. */
function createImagezmq({ name, url, log }: Request): readonly CreatedSource[] {
  const { senders, ...options } = parseImagezmq(parseSourceUrl(url, ['pattern', 'senders', 'check']));
  const hub = new ImageHub({ ...options, log: senders === null ? log.child({ stream: name ?? DEFAULT_NAME }) : log });
  // In the other pattern, it connects to the senders.
  const binds = options.pattern === 'request-reply' ? options.endpoints : [];
  const create = (stream: string, sender: string | null): CreatedSource => ({
    name: stream,
    source: new ImagezmqSource(hub, { ...options, log: log.child({ stream }) }, sender),
    isOnDemand: false,
    binds,
  });
  if (senders === null) return [create(name ?? DEFAULT_NAME, null)];
  return senders.map((sender) =>
    create(name === null ? streamOfSender(sender) : `${name}-${streamOfSender(sender)}`, sender),
  );
}

function createNetGear({ name, url, log }: Request): readonly CreatedSource[] {
  const address = parseNetGearAddress(url.slice('netgear:'.length), [
    'allow',
    'multiclient',
    'multiserver',
    'returns',
    'capturedAt',
    'check',
  ]);
  const nameOf = (port: string | null): string =>
    port === null ? (name ?? DEFAULT_NAME) : name === null ? port : `${name}-${port}`;
  const sources = createNetGearSources(address, (port) => log.child({ stream: nameOf(port) }));
  return sources.map(({ port, source, binds }) => ({ name: nameOf(port), source, isOnDemand: false, binds }));
}

/** A source for a NetGear server. */
interface NetGearServer {
  /** Port by which the stream is named; null if it is the only one. */
  readonly port: string | null;
  readonly source: Source;
  readonly binds: readonly string[];
}

/** @returns one source; in multi-servers mode one per port. */
function createNetGearSources(
  { ports, endpoints, pattern, security, options }: NetGearAddress,
  logOf: (port: string | null) => Logger,
): readonly NetGearServer[] {
  const multiclient = parseFlag(options, 'multiclient');
  const multiserver = parseFlag(options, 'multiserver');
  const returns = options.get('returns');
  checkModes({ pattern, multiclient, multiserver, bidirectional: returns !== undefined, ports: ports.length });
  if (returns !== undefined && returns !== 'merge' && returns !== 'newest')
    throw new GearwayError('option-invalid', `returns is ${JSON.stringify(returns)}, expected merge or newest`);
  if (returns !== undefined && multiclient)
    throw new GearwayError(
      'option-invalid',
      `returns is ${returns}, but with multiclient=true the server always gets each client's data on its port; omit returns`,
    );
  const rest = {
    pattern,
    security,
    capturedAt: options.get('capturedAt') ?? null,
    isChecked: parseFlag(options, 'check'),
  };
  const create = (port: string | null, mode: ReturnsMode, from: number, to: number): NetGearServer => {
    const own = { endpoints: endpoints.slice(from, to), ports: ports.slice(from, to) };
    return {
      port,
      source: new NetGearSource({ ...rest, log: logOf(port), returns: mode, ...own }),
      binds: own.endpoints,
    };
  };
  if (multiserver) return ports.map((port, index) => create(port, returns ?? 'merge', index, index + 1));
  // In pattern 2 every port receives every frame, and nothing is returned, so one port is enough.
  return multiclient && pattern === 'request-reply'
    ? [create(null, 'port', 0, ports.length)]
    : [create(null, returns ?? 'merge', 0, 1)];
}

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
import { parseSourceUrl, readFlag, type SourceUrl } from './config/source-url.ts';
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

type CreatedSource = Omit<NamedSource, 'entry' | 'url'>;

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
      create: ({ name, url, log }) => [
        {
          name: name ?? DEFAULT_NAME,
          source: new NetGearAsyncSource(
            parseNetGearAsync(parseSourceUrl(url, ['pattern', 'returns', 'capturedAt'])),
            log.child({ stream: name ?? DEFAULT_NAME }),
          ),
          isOnDemand: false,
        },
      ],
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
    const [, name = null, url = text] = /^([A-Za-z0-9_-]{1,64})=(.*)$/s.exec(text) ?? [];
    const kind = KINDS.get((url.split(':', 1)[0] ?? '').toLowerCase());
    if (kind === undefined || !url.includes(':')) {
      const examples = [...KINDS.values()].map(({ example }) => example).join(' ');
      throw new GearwayError(
        'source-invalid',
        `source is ${JSON.stringify(text)}, expected one of ${examples}, optionally with NAME= before it`,
      );
    }
    return kind.create({ name, url, log, ffmpeg }).map((created) => ({ ...created, entry: name, url }));
  });
  const names = all.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    const remedy = 'give each source a name: --source door=URL --source yard=URL';
    throw new GearwayError('source-invalid', `the stream ${twice} has two sources, expected one; ${remedy}`);
  }
  if (all.length === 0 || all.length > MAX_STREAMS)
    throw new GearwayError('source-invalid', `there are ${all.length} streams, expected 1 to ${MAX_STREAMS}`);
  return all;
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
  const create = (stream: string, sender: string | null): CreatedSource => ({
    name: stream,
    source: new ImagezmqSource(hub, { ...options, log: log.child({ stream }) }, sender),
    isOnDemand: false,
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
  return sources.map(({ port, source }) => ({ name: nameOf(port), source, isOnDemand: false }));
}

/** @returns one source; in multi-servers mode one per port. */
function createNetGearSources(
  { ports, endpoints, pattern, security, options }: NetGearAddress,
  logOf: (port: string | null) => Logger,
): readonly { readonly port: string | null; readonly source: Source }[] {
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
  const single = (index: number, port: string | null, mode: ReturnsMode): Source =>
    new NetGearSource({
      ...rest,
      log: logOf(port),
      returns: mode,
      endpoints: endpoints.slice(index, index + 1),
      ports: ports.slice(index, index + 1),
    });
  if (multiserver) return ports.map((port, index) => ({ port, source: single(index, port, returns ?? 'merge') }));
  // In pattern 2 every port receives every frame, and nothing is returned, so one port is enough.
  if (multiclient && pattern === 'request-reply')
    return [
      { port: null, source: new NetGearSource({ ...rest, log: logOf(null), returns: 'port', endpoints, ports }) },
    ];
  return [{ port: null, source: single(0, null, returns ?? 'merge') }];
}

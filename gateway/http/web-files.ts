import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const compress = promisify(gzip);

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.map', 'application/json; charset=utf-8'],
]);

/** Pages with an address of their own. */
const PAGES: ReadonlyMap<string, string> = new Map([
  ['/', 'index.html'],
  ['/viewer', 'viewer.html'],
  ['/publish', 'publish.html'],
]);

/** Built files contain nothing confidential. */
const PUBLIC = { config: { right: 'public', crossOrigin: true } } as const;

/** A built file. */
class WebFile {
  readonly type: string;
  readonly #content: Buffer;
  /** Whether its name changes with its content. */
  readonly #isImmutable: boolean;
  /** Digest of the content, computed on the first request; empty before. */
  #tag = '';
  #gzipped: Promise<Buffer> | null = null;

  constructor(content: Buffer, type: string, isImmutable: boolean) {
    this.#content = content;
    this.type = type;
    this.#isImmutable = isImmutable;
  }

  /** Answers a GET request, with a strong ETag per content coding. */
  async send({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const content = this.#content;
    const isGzip = acceptsGzip(headers['accept-encoding']);
    this.#tag ||= createHash('sha256').update(content).digest('base64url').slice(0, 22);
    const tag = `"${this.#tag}${isGzip ? '-gzip' : ''}"`;
    reply.headers({
      etag: tag,
      vary: 'accept-encoding',
      'cache-control': this.#isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    if (matches(headers['if-none-match'], tag)) return reply.code(304).send();
    reply.type(this.type);
    if (!isGzip) return reply.send(content);
    this.#gzipped ??= compress(content, { level: 9 });
    return reply.header('content-encoding', 'gzip').send(await this.#gzipped);
  }
}

/** Read once per process. */
let builtFiles: WebFiles | undefined;

/**
 * Adds the routes of the built files, and of the pages `/`, `/viewer` and `/publish`. Without a build the pages respond
 * with 503 and the command to run.
 */
export function serveWebFiles(app: FastifyInstance, webFiles: WebFiles = (builtFiles ??= findWebFiles())): void {
  for (const [folder, files] of webFiles) {
    // One route per folder, which matches no other names. A route per file would slow down the start of each gateway.
    const names = [...files.keys()].map((name) => name.replaceAll(/[^\w-]/g, '\\$&')).join('|');
    app.get<{ Params: { name: string } }>(`${folder}:name(^(?:${names})$)`, PUBLIC, async (request, reply) => {
      const file = files.get(request.params.name);
      return file === undefined ? reply.callNotFound() : file.send(request, reply);
    });
  }
  const pages = webFiles.get('/');
  for (const [path, name] of PAGES) {
    const file = pages?.get(name);
    app.get(
      path,
      PUBLIC,
      async (request, reply) =>
        file?.send(request, reply) ??
        reply.code(503).send({
          code: 'pages-missing',
          message: `the page ${name} has not been built: run npm run build, and restart the gateway`,
        }),
    );
  }
}

/** If-None-Match (RFC 9110, section 13.1.2), which compares weakly. */
function matches(header: string | undefined, tag: string): boolean {
  return (
    header !== undefined &&
    header.split(',').some((given) => given.trim() === '*' || given.trim().replace(/^W\//, '') === tag)
  );
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((coding) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(coding));
}

/** Built files by folder, such as `/assets/`, and name. */
type WebFiles = ReadonlyMap<string, ReadonlyMap<string, WebFile>>;

/** @returns an empty map without a build. */
function findWebFiles(): WebFiles {
  const here = fileURLToPath(new URL('.', import.meta.url));
  // The files are next to the compiled gateway, or in dist/ if the gateway runs from source.
  for (const root of [join(here, '../../web'), join(here, '../../dist/web')]) {
    const found = readWebFiles(root);
    if (found.get('/')?.has('gearway-viewer.js') === true) return found;
  }
  return new Map();
}

/**
 * Reads all built files, about 2 MB. A build or an update while the gateway runs replaces them, and removes those whose
 * names contain a hash: files that are read later would match neither each other nor this gateway.
 */
export function readWebFiles(root: string): WebFiles {
  const found = new Map<string, Map<string, WebFile>>();
  for (const path of listFiles(root)) {
    const type = TYPES.get(extname(path));
    const content = type === undefined ? null : readIfPresent(join(root, path));
    if (type === undefined || content === null) continue;
    const url = `/${path.replaceAll('\\', '/')}`;
    const folder = url.slice(0, url.lastIndexOf('/') + 1);
    const files = found.get(folder) ?? new Map<string, WebFile>();
    found.set(folder, files.set(url.slice(folder.length), new WebFile(content, type, folder === '/assets/')));
  }
  return found;
}

function listFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return []; // The pages have not been built.
  }
}

function readIfPresent(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null; // A build that runs at the same time has removed the file.
  }
}

import { textOf } from './text-of.ts';

/** Maximum length of a client's name that the gateway accepts. */
const MAX_NAME = 64;

/**
 * URL of the stream in an element's `src`; null if `src` is another address, such as that of the gateway or of its
 * viewer page.
 */
export function streamUrl(src: string): URL | null {
  if (!src || !URL.canParse(src, document.baseURI)) return null;
  const url = new URL(src, document.baseURI);
  return /\/streams\/[^/]+\/?$/.test(url.pathname) ? url : null;
}

/** Why `src` is not used, as a sentence. */
export function srcProblem(src: string): string {
  return `src is ${JSON.stringify(src)}, expected the address of a stream, http://HOST:PORT/streams/NAME`;
}

/** Name of the stream: the last segment of its path; null if `src` is not the address of a stream. */
export function streamName(src: string): string | null {
  return streamUrl(src)?.pathname.split('/').filter(Boolean).at(-1) ?? null;
}

/** URL of a stream's WebSocket: `ws` for viewers, `publish` for publishers. */
export function socketUrl(stream: URL, endpoint: 'ws' | 'publish'): string {
  const url = new URL(`${stream.pathname.replace(/\/$/, '')}/${endpoint}`, stream);
  url.protocol = stream.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** The `name` of an element, truncated to the length that the gateway accepts. */
export function clientName(name: string): string {
  return textOf(name).slice(0, MAX_NAME);
}

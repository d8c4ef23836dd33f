/** Maximum length of a client's name that the gateway accepts. */
const MAX_NAME = 64;

/** URL of the stream in an element's `src`; null if `src` is not a valid URL. */
export function streamUrl(src: string): URL | null {
  return src && URL.canParse(src, document.baseURI) ? new URL(src, document.baseURI) : null;
}

/** Name of the stream: the last segment of its path; null if `src` is not a valid URL. */
export function streamName(src: string): string | null {
  return streamUrl(src)?.pathname.split('/').filter(Boolean).at(-1) ?? null;
}

/** URL of a stream's WebSocket: `ws` for viewers, `publish` for publishers. */
export function socketUrl(stream: URL, endpoint: 'ws' | 'publish'): string {
  const url = new URL(`${stream.pathname.replace(/\/$/, '')}/${endpoint}`, stream);
  url.protocol = stream.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** An element's `name`, truncated to the length that the gateway accepts. */
export function clientName(name: string): string {
  return name.slice(0, MAX_NAME);
}

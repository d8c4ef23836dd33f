/** The answer to a request or a WebSocket for a stream that does not exist. */
export function unknownStream(streams: ReadonlyMap<string, unknown>, name: string): { readonly status: 404; readonly code: 'stream-unknown'; readonly message: string } {
  return { status: 404, code: 'stream-unknown', message: `no stream ${JSON.stringify(name)}; there is ${[...streams.keys()].join(', ')}` };
}

/** The refusal of a request or WebSocket for a stream that does not exist. */
export function unknownStream(
  streams: ReadonlyMap<string, unknown>,
  name: string,
): { readonly status: 404; readonly code: 'stream-unknown'; readonly message: string } {
  return {
    status: 404,
    code: 'stream-unknown',
    message: `stream is ${JSON.stringify(name)}, expected one of ${[...streams.keys()].join(', ')}`,
  };
}

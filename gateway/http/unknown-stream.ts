import { covers, type Principal } from '../rights/principal.ts';

/**
 * The refusal of a request or WebSocket for a stream that does not exist.
 *
 * @param principal gets the names of the streams for which it has rights.
 */
export function unknownStream(
  streams: ReadonlyMap<string, unknown>,
  name: string,
  principal: Pick<Principal, 'streams'> | null,
): { readonly status: 404; readonly code: 'stream-unknown'; readonly message: string } {
  const names = [...streams.keys()].filter((each) => principal === null || covers(principal, each));
  const expected =
    names.length === 0 ? 'but this token has access to no existing stream' : `expected one of ${names.join(', ')}`;
  return { status: 404, code: 'stream-unknown', message: `stream is ${JSON.stringify(name)}, ${expected}` };
}

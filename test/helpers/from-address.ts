import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';

/**
 * Options of a gateway that trusts {@link forwardedFrom}. All loopback addresses count as one, so tests cannot
 * send from several.
 */
export const TRUST_FORWARDED = { trustProxies: ['loopback'], insecure: true } as const;

/** Headers of a request that a proxy on this machine forwards for `address`. */
export function forwardedFrom(address: string): { 'x-forwarded-for': string } {
  return { 'x-forwarded-for': address };
}

/** A response that stays open until {@link HeldResponse.end}. */
interface HeldResponse {
  readonly status: number | undefined;
  end(): void;
}

/** Sends a request from `address`, and leaves the response open. */
export async function hold(url: string, address: string): Promise<HeldResponse> {
  const request = get(url, { agent: false, headers: forwardedFrom(address) });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  response.resume();
  return { status: response.statusCode, end: () => void request.destroy() };
}

/** The status of a response to `address`, without waiting for its body. */
export async function statusFrom(url: string, address: string): Promise<number | undefined> {
  const response = await hold(url, address);
  response.end();
  return response.status;
}

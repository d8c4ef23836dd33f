import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';

/** A response that goes on until {@link HeldResponse.end}. */
export interface HeldResponse {
  readonly status: number | undefined;
  end(): void;
}

/** Asks from another address of this machine, as `127.0.0.2`, and leaves the response open. */
export async function hold(url: string, localAddress: string): Promise<HeldResponse> {
  const request = get(url, { agent: false, localAddress });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  response.resume();
  return { status: response.statusCode, end: () => void request.destroy() };
}

/** The status of a response to another address of this machine; its body is not waited for. */
export async function statusFrom(url: string, localAddress: string): Promise<number | undefined> {
  const response = await hold(url, localAddress);
  response.end();
  return response.status;
}
